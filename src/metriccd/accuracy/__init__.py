"""Accuracy: a result against a reference, which detection never sees.

In: a change map and a score, and ground truth in any of its codings.
Out: figures that say what the reference was used for, error maps and curves.
"""

from metriccd.accuracy.curves import curves_on, draw_curves, mark
from metriccd.accuracy.evaluation import (
    Evaluation,
    evaluate,
    evaluate_folder,
    evaluate_points,
    evaluated,
)
from metriccd.accuracy.metrics import Confusion, Ranking, Scores, mean_scores
from metriccd.accuracy.reference import Known, judged_pixels, read_reference

__all__ = [
    "Confusion",
    "Evaluation",
    "Known",
    "Ranking",
    "Scores",
    "curves_on",
    "draw_curves",
    "evaluate",
    "evaluate_folder",
    "evaluate_points",
    "evaluated",
    "judged_pixels",
    "mark",
    "mean_scores",
    "read_reference",
]
