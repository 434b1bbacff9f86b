"""The decision: from what a method measured to a score in [0, 1], a threshold, and objects.

In: a difference image or its histogram, and the rule that is asked for.
Out: a threshold, the score on which it lies, and change objects; no reference is ever seen.
"""

from metriccd.decision.cleaning import Cleaning
from metriccd.decision.decision import Verdict, decide, judge, rules
from metriccd.decision.objects import BLOCK, Connectivity, Objects, Read, find_objects, log_odds
from metriccd.decision.rules import THRESHOLDS
from metriccd.decision.scale import Scale, takes_all
from metriccd.decision.thresholds import rosin

__all__ = [
    "BLOCK",
    "THRESHOLDS",
    "Cleaning",
    "Connectivity",
    "Objects",
    "Read",
    "Scale",
    "Verdict",
    "decide",
    "find_objects",
    "judge",
    "log_odds",
    "rosin",
    "rules",
    "takes_all",
]
