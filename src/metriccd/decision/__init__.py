"""The decision: from what a method measured to a score in [0, 1], a threshold, and objects.

In: a difference image or its histogram, and the rule that is asked for.
Out: a threshold, the score on which it lies, and change objects; no reference is ever seen.
"""

from metriccd.decision.consensus import certainty
from metriccd.decision.decision import decide, level_by, measure_of, rules, score_of, takes_all
from metriccd.decision.objects import (
    BLOCK,
    Objects,
    Read,
    find_objects,
    require_areas,
    without_small,
)
from metriccd.decision.rules import THRESHOLDS
from metriccd.decision.thresholds import rosin

__all__ = [
    "BLOCK",
    "THRESHOLDS",
    "Objects",
    "Read",
    "certainty",
    "decide",
    "find_objects",
    "level_by",
    "measure_of",
    "require_areas",
    "rosin",
    "rules",
    "score_of",
    "takes_all",
    "without_small",
]
