"""How wide to look for change in a scene: as wide as what changed in it.

The Gaussians that smooth the witnesses trade noise for outlines, and the best trade depends on the
size of the changed things in pixels: fields in an aerial image are ten times as wide as houses
from space. No file says which of them changed; a first look does, roughly, and the size of a pixel
on the ground, where that is known, says what can be seen at all.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

from metriccd.decision import rosin
from metriccd.scene import Histogram

# Share of a scene that a first look finds changed, and mean area in pixels of the object that a
# changed pixel lies in, that speak for a scale of 1. They were chosen once, on all development
# pairs of two sets together (docs/decisions/012-scale.md).
SHARE, AREA = 0.03, 1000.0
# Side of a pixel, in meters, that speaks for a scale of 1: of 10 m, for .8, where the Gaussians
# are 8 to 64 m wide, as are the things that people look for. Finer pixels, wider in proportion to
# the square root: they show smaller things, too.
GROUND = 6.4
# Weight of the first look, the rest being that of the ground or, where that is unknown, of 1; and
# the most that it may say, as a factor.
TRUST, TRUST_BESIDE_GROUND, MOST = 0.8, 0.5, 4.0
SMALLEST, LARGEST = 0.7, 2.3
_TOUCHING = np.ones((3, 3), bool)


def scale_of(
    distances: Sequence[Float[np.ndarray, "_row _col"]],
    valids: Sequence[Bool[np.ndarray, "_row _col"]],
    ground: float | None = None,
) -> float:
    """The factor of all standard deviations that suits a scene.

    Args:
        distances: Of a first look at parts of the scene, with a scale of 1.
        valids: Their valid pixels.
        ground: Side of a pixel on the ground in meters; None where unknown.
    """
    return scale_from(*first_look(distances, valids), ground)


def scale_from(
    share: float,
    area: float,
    ground: float | None = None,
    *,
    usual: tuple[float, float] = (SHARE, AREA),
    trust: float = TRUST,
) -> float:
    """The scale that a first look and the size of the pixels ask for.

    The first look says √(share / `SHARE` · √(area / `AREA`)), the geometric mean of how much
    changed and of how large its objects are; the pixels say √(`GROUND` / ground). The scale is the
    weighted geometric mean of both, within `SMALLEST` and `LARGEST`.

    Args:
        share: Share of the scene that the first look found changed; where none, it says 1.
        area: Mean area of the object that a changed pixel lies in, in pixels.
        ground: Side of a pixel on the ground in meters; None where unknown: it says 1.
        usual: The share and the area at which the first look says 1.
        trust: Weight of the first look where the ground is unknown.
    """
    said = pixels = 0.0
    if share > 0:
        said = math.log(share / usual[0]) / 2 + math.log(area / usual[1]) / 4
        said = min(max(said, -math.log(MOST)), math.log(MOST))
    if ground is not None:
        trust = TRUST_BESIDE_GROUND
        pixels = math.log(within(math.sqrt(GROUND / ground)))
    return within(math.exp(trust * said + (1 - trust) * pixels))


def within(scale: float) -> float:
    """A scale within `SMALLEST` and `LARGEST`."""
    return min(max(scale, SMALLEST), LARGEST)


def first_look(
    distances: Sequence[Float[np.ndarray, "_row _col"]],
    valids: Sequence[Bool[np.ndarray, "_row _col"]],
) -> tuple[float, float]:
    """Share of a scene that Rosin's rule finds changed, and mean area of a changed pixel's object.

    Args:
        distances: Of parts of the scene.
        valids: Their valid pixels.

    Returns:
        The share, and the area in pixels; 0 where nothing changed.
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
    changed = float(areas.sum())
    if not changed:
        return 0.0, 0.0
    return changed / histogram.count, float(np.square(areas).sum()) / changed


def _areas(change: Bool[np.ndarray, "row col"]) -> Float[np.ndarray, " object"]:
    """Pixels of each object."""
    labels, count = ndimage.label(change, _TOUCHING)
    return np.bincount(labels.ravel(), minlength=count + 1)[1:].astype(np.float64)
