"""The spine: what changed between two images.

In: two images, and what is asked of them.
Out: a `Change` in memory, or a folder that holds the result.
"""

from metriccd.detection.calls import detect, detect_into
from metriccd.detection.request import Request
from metriccd.detection.run import Detection

__all__ = ["Detection", "Request", "detect", "detect_into"]
