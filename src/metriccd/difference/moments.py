"""Means and covariances of all valid pixels of a pair, in one pass over its windows.

Every strip of pixels is centered on its own mean before its products are summed, and strips are
merged with the update of Chan, Golub & LeVeque (1983), so nothing is ever computed as the
difference of two large sums, E[x²] − E[x]².
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from jaxtyping import Float64

from metriccd.difference.blocks import Blocks, Pixels, Values, stack_dates, strips
from metriccd.errors import DataError

Features: TypeAlias = Callable[[Pixels], Values]
Weights: TypeAlias = Callable[[Pixels], Float64[np.ndarray, " pixel"]]


@dataclass(frozen=True, kw_only=True)
class Moments:
    """Weighted first and second moments.

    Attributes:
        pixels: number of pixels, N.
        weight: Σw.
        mean: Σw·x / Σw.
        scatter: Σw·(x − mean)(x − mean)ᵀ.
    """

    pixels: int
    weight: float
    mean: Float64[np.ndarray, " feature"]
    scatter: Float64[np.ndarray, "feature feature"]

    @property
    def covariance(self) -> Float64[np.ndarray, "feature feature"]:
        """The scatter / ((N−1)/N · Σw): NumPy's and MATLAB's estimate when all weights are 1."""
        return self.scatter / (self.weight * max(self.pixels - 1, 1) / self.pixels)


def moments_of(values: Pixels, weights: Float64[np.ndarray, " pixel"] | None = None) -> Moments:
    """Moments of one strip of pixels.

    Args:
        values: (feature, pixel), float64; overwritten.
        weights: one weight ≥ 0 per pixel, with a sum above 0; default 1.

    Returns:
        The strip's moments.
    """
    pixels = values.shape[1]
    if weights is None:
        total, mean = float(pixels), values.mean(axis=1)
        values -= mean[:, None]
    else:
        total = float(weights.sum())
        mean = values @ (weights / total)
        values -= mean[:, None]
        values *= np.sqrt(weights)
    return Moments(pixels=pixels, weight=total, mean=mean, scatter=values @ values.T)


def merge(a: Moments, b: Moments) -> Moments:
    """Moments of the union of two disjoint sets of pixels (Chan, Golub & LeVeque 1983)."""
    weight = a.weight + b.weight
    step = b.mean - a.mean
    return Moments(
        pixels=a.pixels + b.pixels,
        weight=weight,
        mean=a.mean + step * (b.weight / weight),
        scatter=a.scatter + b.scatter + np.outer(step, step) * (a.weight * b.weight / weight),
    )


def merge_all(parts: Iterable[Moments]) -> Moments:
    """Moments of all parts together.

    Raises:
        DataError: there is no part, or a valid pixel is not finite.
    """
    total: Moments | None = None
    for part in parts:
        total = part if total is None else merge(total, part)
    if total is None:
        raise DataError("a pair needs at least one valid pixel, got none: check nodata and masks")
    if not np.isfinite(total.scatter).all():
        raise DataError(
            "valid pixels must be finite, got NaN or infinity: mark such pixels as not valid"
        )
    return total


def valid_pixels(blocks: Blocks) -> Iterator[Pixels]:
    """The valid pixels of every window, strip by strip: (2·band, pixel) float64, t1 above t2.

    Raises:
        ValueError: `blocks` is an iterator, which a second pass would find empty.
    """
    windows = iter(blocks)
    if windows is blocks:
        raise ValueError(
            "blocks must be iterable more than once, got an iterator: "
            "pass a list or an object with __iter__"
        )
    for t1, t2, valid in windows:
        for strip in strips(2 * t1.shape[0], *valid.shape):
            usable = valid[strip].ravel()
            if usable.any():
                stacked = stack_dates(t1[:, strip], t2[:, strip])
                yield stacked if usable.all() else stacked.compress(usable, axis=1)


def moments(
    blocks: Blocks, *, features: Features | None = None, weights: Weights | None = None
) -> Moments:
    """Moments of the valid pixels, in one pass with memory for one window.

    Args:
        blocks: the windows of the pair.
        features: stacked pixels (2·band, pixel) to the features whose moments are wanted;
            default: the stacked pixels themselves, t1 above t2.
        weights: stacked pixels to one weight ≥ 0 per pixel; default 1.

    Returns:
        The moments.

    Raises:
        DataError: no pixel is valid, or a valid pixel is not finite.
        ValueError: `blocks` can be iterated only once.
    """

    def parts() -> Iterator[Moments]:
        for pixels in valid_pixels(blocks):
            weight = None if weights is None else weights(pixels)
            if weight is None or weight.any():
                yield moments_of(pixels if features is None else features(pixels), weight)

    return merge_all(parts())
