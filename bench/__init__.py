"""The bench: data, training, fair comparison and reports around `fusions` and `encoders`."""

__version__ = "0.1.0"
