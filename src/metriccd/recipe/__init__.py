"""The recipe of `default` and `fast`: witnesses of change, smoothed, scaled and multiplied.

In: parts that stand for a scene, and a feature extractor.
Out: `Fusion`, which measures any window; the plain closed form beside it.
"""

from metriccd.recipe.closed_form import deep_distance
from metriccd.recipe.compact import compact_block, compacted
from metriccd.recipe.fusion import fit_fusion

__all__ = ["compact_block", "compacted", "deep_distance", "fit_fusion"]
