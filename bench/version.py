"""The version, apart from all that decides a number."""

VERSION = "0.1.0"
