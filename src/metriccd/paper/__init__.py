"""The paper, as printed and as its authors released it, and the deep method it compares with.

In: a color-corrected pair in memory, and settings.
Out: P_c of D-CPG fitted to the pair (eq. 4–9); deep change vector analysis.
"""

from metriccd.paper.deep_cva import deep_cva
from metriccd.paper.fit import PAPER, RELEASED, FitSettings, fit_pair

__all__ = ["PAPER", "RELEASED", "FitSettings", "deep_cva", "fit_pair"]
