"""TODO."""

from metriccd.cli.app import main

__all__ = ["main"]
