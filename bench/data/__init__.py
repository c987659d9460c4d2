"""Datasets: what a folder's description says, reading and checking it, splitting it."""
