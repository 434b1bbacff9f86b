"""Many bands as few: red, green and blue, and what stands out of the noise in both dates.

The color correction takes every product of two bands, and the prediction four features a band:
of hundreds of bands, which mostly repeat each other, that would be more unknowns than pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64
from scipy.linalg import eigh, eigvalsh, solve_triangular

from metriccd.pair import MANY_BANDS, Block, Samples
from metriccd.storage import storable

# Components at most: of what both dates show, and of what they differ in.
SCENE, CHANGE = 5, 5
# How many times its noise a component must vary, and differ: noise alone does 1 and 2.
SCENE_OVER_NOISE, CHANGE_OVER_NOISE = 2.0, 4.0
# Pixels that statistics are made of.
SAMPLE = 2**16
# Share of the mean variance of noise that every direction is given at least.
RIDGE = 1e-2
# Pixels compacted at once.
CHUNK = 2**14


@storable
@dataclass(frozen=True, kw_only=True)
class Compact:
    """A fitted compaction: bands → red, green, blue and components, all without noise.

    Attributes:
        matrix: Red, green and blue without their noise, then components, of a pixel's bands.
    """

    matrix: Float32[np.ndarray, "component band"]

    def __call__(
        self, image: Float[np.ndarray, "band row col"]
    ) -> Float32[np.ndarray, "kept row col"]:
        """One date of a window; 0 where it is 0 in all bands."""
        pixels = image.reshape(len(image), -1)
        kept = np.empty((len(self.matrix), pixels.shape[1]), np.float32)
        for start in range(0, pixels.shape[1], CHUNK):
            part = slice(start, start + CHUNK)
            kept[:, part] = self.matrix @ pixels[:, part].astype(np.float32, copy=False)
        return kept.reshape(-1, *image.shape[1:])


def compacted(parts: Sequence[Samples], rgb: tuple[int, int, int]) -> Compact | None:
    """A compaction for a scene, or None where its bands are few enough.

    Components are those of the minimum noise fraction (Green et al. 1988): of both dates
    together, and of their difference, each date standardized by itself.

    Args:
        parts: Images (band, row, col) that stand for the scene, and their valid pixels.
        rgb: Bands that a feature extractor sees.
    """
    if len(parts[0][0]) <= MANY_BANDS:
        return None
    share = max(sum(int(part[2].sum()) for part in parts) // SAMPLE, 1)
    dates = [_date(parts, date, share) for date in range(2)]
    noise = (dates[0].noise + dates[1].noise) / 2
    noise[np.diag_indices_from(noise)] += RIDGE * np.trace(noise) / len(noise)
    one, other = (date.pixels for date in dates)
    # Where noise is white, directions at right angles share none of it.
    white = solve_triangular(np.linalg.cholesky(noise), np.eye(len(noise)), lower=True)
    both = white @ (_covariance(one) + _covariance(other)) @ white.T / 2
    # The first in any case: an image of noise alone is compared as such.
    scene = _components(both, SCENE, min(SCENE_OVER_NOISE, float(eigvalsh(both)[-1])))
    beyond = np.eye(len(noise)) - scene @ scene.T
    apart = beyond @ white @ _covariance(other - one) @ white.T @ beyond
    change = _components(apart, CHANGE, CHANGE_OVER_NOISE)
    basis = np.concatenate([scene, change], axis=1)
    colors = np.linalg.cholesky(noise)[list(rgb)] @ basis @ basis.T @ white
    matrix = np.concatenate([colors, basis.T @ white])
    matrix /= np.sqrt(dates[0].scale * dates[1].scale)
    return Compact(matrix=matrix.astype(np.float32))


@dataclass(frozen=True, kw_only=True)
class _Date:
    """A date in units of its own deviations.

    Attributes:
        pixels: Some of them.
        noise: Covariance of what neighbors do not share.
        scale: Deviation of each band, in the image's unit.
    """

    pixels: Float64[np.ndarray, "band pixel"]
    noise: Float64[np.ndarray, "band band"]
    scale: Float64[np.ndarray, " band"]


def _date(parts: Sequence[Samples], date: int, share: int) -> _Date:
    """One date of some pixels in `share`, and of their neighbors to the right."""
    drawn, beside = [], []
    for part in parts:
        image, pairs = part[date], _pairs(part[2], share)
        drawn.append(image[:, pairs[0], pairs[1]].astype(np.float64))
        beside.append(image[:, pairs[0], pairs[1] + 1].astype(np.float64))
    pixels, neighbors = (np.concatenate(each, axis=1) for each in (drawn, beside))
    spread = pixels.std(axis=1)
    scale = np.where(spread > 0, spread, 1.0)
    mean = pixels.mean(axis=1, keepdims=True)
    apart = (neighbors - pixels) / scale[:, None]
    return _Date(pixels=(pixels - mean) / scale[:, None], noise=_covariance(apart) / 2, scale=scale)


def _pairs(valid: Bool[np.ndarray, "row col"], share: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of valid pixels, one in `share`, whose right neighbors are valid."""
    rows, cols = np.nonzero(valid[:, :-1] & valid[:, 1:])
    return rows[::share], cols[::share]


def _covariance(pixels: Float64[np.ndarray, "band pixel"]) -> Float64[np.ndarray, "band band"]:
    covariance: Float64[np.ndarray, "band band"] = np.cov(pixels, bias=True)
    return covariance


def _components(
    signal: Float64[np.ndarray, "band band"], most: int, least: float
) -> Float64[np.ndarray, "band component"]:
    """Directions in which a signal is larger than noise, whose variance is 1 in all of them."""
    count = len(signal)
    values, vectors = eigh(signal, subset_by_index=[max(count - most, 0), count - 1])
    directions: Float64[np.ndarray, "band component"] = vectors[:, values >= least][:, ::-1]
    return directions


def compact_block(block: Samples, compact: Compact | None) -> Block:
    """A window of both dates, compacted where there is a compaction."""
    one, other, valid = block
    if compact is None:
        return Block(one, other, valid)
    return Block(compact(one), compact(other), valid)
