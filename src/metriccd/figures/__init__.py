"""Figures for print: what users draw of results in Python.

In: results, references, axes of matplotlib or none.
Out: the axes, drawn on. Nothing is shown or saved, no setting of matplotlib is changed.
"""

from metriccd.figures.comparison import plot_comparison
from metriccd.figures.convergence import plot_convergence
from metriccd.figures.curves import plot_roc
from metriccd.figures.maps import plot, plot_kinds

__all__ = ["plot", "plot_comparison", "plot_convergence", "plot_kinds", "plot_roc"]
