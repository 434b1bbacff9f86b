"""Difference images: from two aligned images to a measure of change per pixel.

Every method has one signature, `method(blocks, **options) -> DifferenceImage`. It reads the
windows of a pair as often as it has passes, keeps global statistics only, and returns how to
apply them to any window. `on_arrays` runs a method on whole arrays.

In: blocks of a pair.
Out: the classical methods, each fitted by `method(blocks)`.
"""

from metriccd.difference.algebra import cva, image_diff, image_ratio, image_regr, mahalanobis
from metriccd.difference.alteration import irmad, mad
from metriccd.difference.blocks import Block, Blocks, DifferenceImage, on_arrays
from metriccd.difference.components import dpca, pca_kmeans, pcda
from metriccd.difference.neighborhood import siroc
from metriccd.difference.slow_features import isfa, sfa

__all__ = [
    "Block",
    "Blocks",
    "DifferenceImage",
    "cva",
    "dpca",
    "image_diff",
    "image_ratio",
    "image_regr",
    "irmad",
    "isfa",
    "mad",
    "mahalanobis",
    "on_arrays",
    "pca_kmeans",
    "pcda",
    "sfa",
    "siroc",
]
