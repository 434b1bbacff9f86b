"""Scenes with known answers, and the windows of a pair, for the tests of `metriccd.difference`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from metriccd import difference
from metriccd.difference import Block, DifferenceImage

Method = Callable[..., DifferenceImage]

METHODS: dict[str, Method] = {
    "image_diff": difference.image_diff,
    "image_ratio": difference.image_ratio,
    "image_regr": difference.image_regr,
    "cva": difference.cva,
    "dpca": difference.dpca,
    "pcda": difference.pcda,
    "mahalanobis": difference.mahalanobis,
    "mad": difference.mad,
    "irmad": partial(difference.irmad, max_iterations=6),
    "irmad_toolbox": partial(difference.irmad, variance="toolbox", max_iterations=6),
    "pca_kmeans": difference.pca_kmeans,
    "sfa": difference.sfa,
    "isfa": partial(difference.isfa, max_iterations=6),
    "siroc": partial(difference.siroc, radius=7, rings=3),
}


def pair(
    seed: int = 0, bands: int = 3, rows: int = 61, cols: int = 53, *, radiometry: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Correlated bands, at t2 another radiometry, noise, and one changed rectangle."""
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(bands, bands)) + 2 * np.eye(bands)
    t1 = 1000 + 40 * np.einsum("ij,jrc->irc", mixing, rng.normal(size=(bands, rows, cols)))
    gain, offset = rng.uniform(0.7, 1.3, bands), rng.uniform(-80, 80, bands)
    t2 = t1 * gain[:, None, None] + offset[:, None, None] if radiometry else t1
    t2 = t2 + rng.normal(0, 15, t1.shape)
    t2[:, 20:32, 10:30] += rng.normal(200, 150, t1.shape)[:, 20:32, 10:30]
    return t1, t2


def flat(image: np.ndarray) -> np.ndarray:
    """(band, row, col) to (pixel, band), as scikit-learn wants it."""
    return image.reshape(len(image), -1).T


@dataclass(frozen=True, kw_only=True)
class Windows:
    """The windows of a pair, made anew at every pass, as a raster reader would."""

    t1: np.ndarray
    t2: np.ndarray
    valid: np.ndarray
    height: int
    width: int

    def slices(self) -> Iterator[tuple[slice, slice]]:
        rows, cols = self.valid.shape
        for row in range(0, rows, self.height):
            for col in range(0, cols, self.width):
                yield (
                    slice(row, min(row + self.height, rows)),
                    slice(col, min(col + self.width, cols)),
                )

    def __iter__(self) -> Iterator[Block]:
        for window in self.slices():
            yield self.t1[:, *window].copy(), self.t2[:, *window].copy(), self.valid[window].copy()


def streamed(method: Method, windows: Windows) -> np.ndarray:
    """Fit on windows, apply to each window with its halo, assemble."""
    image = method(windows)
    t1, t2 = (np.where(windows.valid, t, np.nan) for t in (windows.t1, windows.t2))
    out = np.full((image.components, *windows.valid.shape), np.nan)
    for rows, cols in windows.slices():
        top, left = max(rows.start - image.halo, 0), max(cols.start - image.halo, 0)
        context = (slice(top, rows.stop + image.halo), slice(left, cols.stop + image.halo))
        inside = (
            slice(rows.start - top, rows.stop - top),
            slice(cols.start - left, cols.stop - left),
        )
        out[:, rows, cols] = image.apply(t1[:, *context], t2[:, *context])[:, *inside]
    return out
