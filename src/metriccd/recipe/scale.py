"""How wide to look for change in a scene: as wide as what changed in it.

The Gaussians that smooth the witnesses trade noise for outlines, and the best trade depends on the
size of the changed things in pixels: fields in an aerial image are ten times as wide as houses
from space. No file says which of them changed; a first look does.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

from metriccd.decision import rosin
from metriccd.scene import Histogram

# Share of a scene that a first look finds changed, and mean area in pixels of the object that a
# changed pixel lies in, at which the scale is 1. Chosen once, on all development pairs together
# (docs/decisions/012-scale.md).
SHARE, AREA = 0.03, 1000.0
SMALLEST, LARGEST = 0.7, 2.0
_TOUCHING = np.ones((3, 3), bool)


def scale_of(
    distances: Sequence[Float[np.ndarray, "_row _col"]],
    valids: Sequence[Bool[np.ndarray, "_row _col"]],
) -> float:
    """The factor of all standard deviations that suits a scene.

    √(share / `SHARE` · √(area / `AREA`)), the geometric mean of how much changed and of how large
    its objects are, within `SMALLEST` and `LARGEST`; 1 where nothing changed.

    Args:
        distances: Of a first look at parts of the scene, with a scale of 1.
        valids: Their valid pixels.
    """
    histogram = Histogram()
    for distance, valid in zip(distances, valids, strict=True):
        histogram.update(distance[valid])
    threshold = rosin(histogram)
    areas = np.concatenate(
        [
            _areas((distance > threshold) & valid)
            for distance, valid in zip(distances, valids, strict=True)
        ]
    )
    changed = areas.sum()
    if not changed:
        return 1.0
    share, area = changed / histogram.count, np.square(areas).sum() / changed
    scale = np.sqrt(share / SHARE * np.sqrt(area / AREA))
    return float(np.clip(scale, SMALLEST, LARGEST))


def _areas(change: Bool[np.ndarray, "row col"]) -> Float[np.ndarray, " object"]:
    """Pixels of each object."""
    labels, count = ndimage.label(change, _TOUCHING)
    return np.bincount(labels.ravel(), minlength=count + 1)[1:].astype(np.float64)
