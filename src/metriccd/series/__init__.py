"""A series: more than two dates of one place, and what happened to each pixel in between.

In: images of one place, and what `detect` is told of each pair of them.
Out: a folder with the dates and persistence of change, and the result of each pair.
"""

from metriccd.series.calls import series
from metriccd.series.kept import pairs_kept

__all__ = ["pairs_kept", "series"]
