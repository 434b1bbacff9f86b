"""Review: what a person answers of the objects of a result, and what that tells of all of them.

In: the objects of a result; answers, one at a time.
Out: `review.gpkg`, which is the user's; an order to look in, an accuracy, the accepted objects.
"""

from metriccd.review.answers import ANSWERS, REVIEW, Answers, Given
from metriccd.review.estimate import Estimate, Share, estimate
from metriccd.review.export import FORMATS, export
from metriccd.review.objects import Objects, read_objects
from metriccd.review.order import Queue, Turn

__all__ = [
    "ANSWERS",
    "FORMATS",
    "REVIEW",
    "Answers",
    "Estimate",
    "Given",
    "Objects",
    "Queue",
    "Share",
    "Turn",
    "estimate",
    "export",
    "read_objects",
]
