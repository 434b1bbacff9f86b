"""TODO."""

from metriccd.paper.deep_cva import deep_cva
from metriccd.paper.fit import PAPER, RELEASED, FitSettings, fit_pair

__all__ = ["PAPER", "RELEASED", "FitSettings", "deep_cva", "fit_pair"]
