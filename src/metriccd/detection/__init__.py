"""The spine: what changed between two images.

In: two images, and what is asked of them.
Out: a `Change` in memory, or a folder that holds the result; a plan that processes share.
"""

from metriccd.detection.calls import detect, detect_into, requested
from metriccd.detection.inputs import digest_of
from metriccd.detection.plan import Plan, do_tiles, prepare
from metriccd.detection.request import Request
from metriccd.detection.run import Detection

__all__ = [
    "Detection",
    "Plan",
    "Request",
    "detect",
    "detect_into",
    "digest_of",
    "do_tiles",
    "prepare",
    "requested",
]
