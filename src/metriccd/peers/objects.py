"""Object-based change vector analysis: the change of superpixels that both dates share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Int
from skimage.segmentation import slic

from metriccd.pair import BandRange, Block
from metriccd.peers.standard import only
from metriccd.scene import Fitted
from metriccd.storage import storable

# Side of the squares that are segmented one by one, so that objects do not depend on tiles.
SIDE = 256
# Pixels of an object, about, and how much its shape counts beside its colors, which lie in [0, 1].
AREA, COMPACTNESS = 50, 0.1


def fit_objects(
    parts: Sequence[Block], *, area: int = AREA, compactness: float = COMPACTNESS
) -> Fitted:
    """Object-based change vector analysis (multi-date segmentation: Desclée et al. 2006).

    The bands of both dates are stacked and segmented together into superpixels by SLIC (Achanta
    et al. 2012), so that one set of objects follows the edges of either date. The change of an
    object is the length of the difference between its mean vectors, √Σ_b (m2_b − m1_b)², and all
    of its pixels have it. An object of one pixel would have that of `cva`.

    Squares of `SIDE` pixels, which lie where the scene begins, are segmented each by itself:
    an object ends at their borders, and a scene may have any size.

    Args:
        parts: Windows that stand for a scene, with valid pixels.
        area: Pixels of an object, about.
        compactness: What counts as much as a distance of √area pixels: this difference of color,
            of bands in [0, 1], in each of them.

    Returns:
        What measures windows that start at multiples of `SIDE`, in the images' unit.
    """
    pixels = [image[:, part.valid] for part in parts for image in (part.t1, part.t2)]
    measure = ObjectChange(bands=BandRange.fit(pixels), area=area, compactness=float(compactness))
    return Fitted(measure=measure, merge=only, stride=SIDE)


@storable
@dataclass(frozen=True, kw_only=True)
class ObjectChange:
    """Length of the difference between an object's means, at each of its pixels.

    Attributes:
        bands: Brings both dates to [0, 1] for the segmentation.
        area: Pixels of an object, about.
        compactness: How much its shape counts.
    """

    bands: BandRange
    area: int
    compactness: float

    def __call__(self, block: Block) -> Float32[np.ndarray, "1 row col"]:
        """Of a window; 0 where not valid."""
        change = np.zeros((1, *block.valid.shape), np.float32)
        for square in _squares(block.valid.shape):
            part = Block(*(each[..., *square] for each in block))
            if part.valid.any():
                change[0, *square] = _changes(part, self._objects(part))
        return change

    def _objects(self, part: Block) -> Int[np.ndarray, "row col"]:
        """The number of the object of every pixel; what is not valid is one color."""
        stack = np.concatenate([self.bands(date, part.valid) for date in (part.t1, part.t2)])
        # It stretches the values of every image to [0, 1], which would give squares of little
        # contrast another compactness; and it sums over channels what is given for one.
        stretch = float(stack.max() - stack.min()) or 1.0
        labels: Int[np.ndarray, "row col"] = slic(
            stack,
            n_segments=max(round(part.valid.size / self.area), 1),
            compactness=self.compactness * len(stack) ** 0.5 / stretch,
            convert2lab=False,
            channel_axis=0,
            start_label=0,
        )
        return labels


def _squares(shape: tuple[int, int]) -> Iterator[tuple[slice, slice]]:
    for row in range(0, shape[0], SIDE):
        for col in range(0, shape[1], SIDE):
            yield slice(row, row + SIDE), slice(col, col + SIDE)


def _changes(part: Block, labels: Int[np.ndarray, "row col"]) -> Float[np.ndarray, "row col"]:
    """√Σ_b (m2_b − m1_b)² of the object of each pixel, over valid pixels; 0 where there is none."""
    members = labels[part.valid]
    count = np.bincount(members, minlength=labels.max() + 1)
    squares = np.zeros(len(count))
    for band1, band2 in zip(part.t1, part.t2, strict=True):
        change = band2[part.valid].astype(np.float64) - band1[part.valid]
        squares += (np.bincount(members, change, len(count)) / np.maximum(count, 1)) ** 2
    result: Float[np.ndarray, "row col"] = np.sqrt(squares)[labels]
    return result
