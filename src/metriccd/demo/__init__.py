"""TODO."""

from metriccd.demo.demo import make_demo

__all__ = ["make_demo"]
