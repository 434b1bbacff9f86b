"""The recipe of `default` and `fast`: witnesses of change, smoothed, scaled and multiplied.

In: parts that stand for a scene, and a feature extractor.
Out: `Fusion`, which measures any window; the plain closed form beside it.
"""

from metriccd.recipe.closed_form import deep_distance
from metriccd.recipe.compact import Compact, compact_block, compacted
from metriccd.recipe.feature_distance import halo_of, level_distances
from metriccd.recipe.fusion import Fusion, fit_fusion, seen_by

__all__ = [
    "Compact",
    "Fusion",
    "compact_block",
    "compacted",
    "deep_distance",
    "fit_fusion",
    "halo_of",
    "level_distances",
    "seen_by",
]
