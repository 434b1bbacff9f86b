"""The check: what detect would do with two images, and what it would stumble over.

In: a pair, of which some windows are read.
Out: `Checkup`, one page of facts and warnings that say what to do.
"""

from metriccd.check.checkup import Checkup, check_up
from metriccd.check.cost import Cost, costs

__all__ = ["Checkup", "Cost", "check_up", "costs"]
