"""The commands, a file per kind; `bench.cli` puts them together."""
