"""Sibling regression: predict each pixel from how its surroundings changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64, Int

from metriccd.difference.blocks import Blocks, DifferenceImage, strips
from metriccd.difference.moments import moments
from metriccd.storage import storable

_DARK = 1e-6
"""Mean squares of the band below which the sum of a ring is no signal, only rounding."""


@storable
@dataclass(frozen=True)
class Rings:
    """|x2 − g·x1| for the gain g of each ring around a pixel, the mean over bands.

    Attributes:
        mean_square: of each band of t1, over the scene.
        radii: where rings begin and end, in pixels, from 0.
    """

    mean_square: Float64[np.ndarray, " band"]
    radii: Int[np.ndarray, " radius"]

    def __call__(
        self, t1: Float[np.ndarray, "band row col"], t2: Float[np.ndarray, "band row col"]
    ) -> Float[np.ndarray, "ring row col"]:
        """One component a ring, inside out."""
        usable = ~(np.isnan(t1).any(axis=0) | np.isnan(t2).any(axis=0))
        out = np.zeros((len(self.radii) - 1, *usable.shape), dtype=np.result_type(t1, t2))
        for band1, band2, power in zip(t1, t2, self.mean_square, strict=True):
            for ring, rows, residual in _residuals(band1, band2, usable, self.radii, _DARK * power):
                out[ring, rows] += (residual / len(self.mean_square)).astype(out.dtype)
        if not usable.all():
            out[:, ~usable] = np.nan
        return out


def siroc(blocks: Blocks, *, radius: int = 200, rings: int = 27) -> DifferenceImage:
    """Sibling regression for optical change detection, SiROC (Kondmann et al. 2021).

    Square rings around each pixel, exclusive of each other, cut the neighborhood of `radius`
    into `rings` parts of equal width (up to rounding to pixels). The gain of a ring, per band,
    is the least-squares factor from t1 to t2 over its valid pixels,
    g = Σ(x1·x2) / Σ(x1²), the prediction is x̂2 = g·x1, and the component is the mean over bands
    of |x2 − x̂2|. A ring without signal (beyond the image, or black) takes the gain of the next
    smaller ring, the smallest then 1. Sums over rings come from integral images, so the time
    does not grow with the radius.

    The paper thresholds every ring by Otsu and lets the rings vote; that is a matter of
    thresholding, which is why the rings stay apart here. Their mean is the scalar score.

    Args:
        blocks: the windows of the pair.
        radius: half-width of the outermost ring in pixels; also the halo.
        rings: number of rings, at most `radius`.

    Returns:
        One component per ring, inside out, in t2's unit, merged by their mean.

    Raises:
        DataError: no pixel is valid.
        ValueError: radius or rings out of range.
    """
    if not 1 <= rings <= radius:
        raise ValueError(f"rings must lie in 1..radius, got {rings} and radius {radius}: use fewer")
    fit = moments(blocks)
    bands = len(fit.mean) // 2
    mean_square = (np.diag(fit.covariance) + fit.mean**2)[:bands]
    radii = np.rint(np.linspace(0, radius, rings + 1)).astype(int)
    return DifferenceImage(apply=Rings(mean_square, radii), components=rings, halo=radius)


def _residuals(
    t1: Float[np.ndarray, "row col"],
    t2: Float[np.ndarray, "row col"],
    usable: Bool[np.ndarray, "row col"],
    radii: Int[np.ndarray, " radius"],
    dark: float,
) -> Iterator[tuple[int, slice, Float64[np.ndarray, "row col"]]]:
    """One band's |x2 − g·x1|, ring by ring and strip by strip."""
    band1, band2 = (np.where(usable, t, 0.0).astype(np.float64) for t in (t1, t2))
    products, squares = (_integral(band1 * t, int(radii[-1])) for t in (band2, band1))
    for rows in strips(8, *usable.shape):
        gain: np.ndarray = np.ones_like(band1[rows])
        sums = zip(_ring_sums(products, rows, radii), _ring_sums(squares, rows, radii), strict=True)
        for ring, (product, square) in enumerate(sums):
            np.divide(product, square, out=gain, where=square > dark)
            residual = gain * band1[rows]
            residual -= band2[rows]
            yield ring, rows, np.abs(residual, out=residual)


def _integral(
    field: Float64[np.ndarray, "row col"], margin: int
) -> Float64[np.ndarray, "padded_row padded_col"]:
    """Sums over all pixels above and to the left, continued by `margin` beyond the image."""
    rows, cols = field.shape
    table = np.zeros((rows + 2 * margin + 1, cols + 2 * margin + 1))
    sums = table[margin + 1 :, margin + 1 :]
    sums[:rows, :cols] = field.cumsum(axis=0).cumsum(axis=1)
    sums[rows:, :cols] = sums[rows - 1, :cols]
    sums[:, cols:] = sums[:, cols - 1 : cols]
    return table


def _ring_sums(
    table: Float64[np.ndarray, "padded_row padded_col"],
    rows: slice,
    radii: Int[np.ndarray, " radius"],
) -> Iterator[Float64[np.ndarray, "row col"]]:
    """Sums over each ring around the pixels of some rows, inside out."""
    inner = _box_sums(table, rows, 0, int(radii[-1]))
    for radius in radii[1:]:
        outer = _box_sums(table, rows, int(radius), int(radii[-1]))
        yield outer - inner
        inner = outer


def _box_sums(
    table: Float64[np.ndarray, "padded_row padded_col"], rows: slice, radius: int, margin: int
) -> Float64[np.ndarray, "row col"]:
    """Sums over the square of half-width `radius` around the pixels of some rows."""
    cols = table.shape[1] - 2 * margin - 1
    top, bottom = margin + rows.start - radius, margin + rows.start + radius + 1
    height = rows.stop - rows.start
    bands = table[bottom : bottom + height] - table[top : top + height]
    left, right = margin - radius, margin + radius + 1
    sums: np.ndarray = bands[:, right : right + cols] - bands[:, left : left + cols]
    return sums
