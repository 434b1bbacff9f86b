"""How badly one date is predicted from the other: a color correction that sees context, both ways.

Eq. 1–2 of the paper map the colors of t1 to those of t2, pixel by pixel and one way. Here the same
least squares also see the surroundings of a pixel, so that a field may turn brown where a roof
stays red, and they run both ways; what they cannot explain is change.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32

from metriccd.smoothing import gaussian

# Standard deviations, in pixels, of the Gaussians that give a pixel's context.
MEAN_SIGMAS = (0.8, 2.0, 4.0)
SPREAD_SIGMAS = (1.0, 2.0)
# What is predicted is smoothed a little, so that a shift of half a pixel is no surprise. It is
# among the features, so that two equal images predict each other without error.
TARGET_SIGMA = MEAN_SIGMAS[0]
# Random ramps of the features, their gain, and the range of their kinks, in standard deviations.
RAMPS, GAIN, KINKS = 128, 1.5, 2.0
# Pixels that the fit looks at.
SAMPLE = 2**15
# Student's t with these degrees of freedom, by re-weighted least squares: change is an outlier.
FREEDOM = 3.0
REWEIGHTINGS = 3
RIDGE = 1e-4
# Residuals below this share of the target's deviation are not told apart.
NOISE_SHARE = 0.01
# Features are cut at this many standard deviations: glints would rule the fit.
CUT = 6.0
CHUNK = 2**14


def prediction_residual(
    t1: Float32[np.ndarray, "band row col"],
    t2: Float32[np.ndarray, "band row col"],
    valid: Bool[np.ndarray, "row col"],
    *,
    seed: int = 0,
) -> Float32[np.ndarray, "row col"]:
    """Norm of what neither date explains of the other: √(‖t2 − f(t1)‖² + ‖t1 − g(t2)‖²).

    f and g are functions of a pixel's colors and those of its surroundings: a layer of random
    ramps max(0, w·x + b), summed with weights that least squares find on this pair (an extreme
    learning machine, Huang et al. 2006), in a way that minds no outliers. Both residuals are in the
    colors of t2, to which t1 was corrected: the date of less contrast counts less.

    Args:
        t1: First image in the colors of the second, standardized.
        t2: Second image, standardized.
        valid: Pixels that count.
        seed: Of the ramps and of the pixels that are fitted on.

    Returns:
        The norm; 0 where not valid.
    """
    ways = []
    for image in (t1, t2):
        target = np.stack([gaussian(band, TARGET_SIGMA) for band in image])[:, valid]
        ways.append((_features(image)[:, valid], target))
    (features1, target1), (features2, target2) = ways
    squares = np.square(target2 - _predict(features1, target2, seed)).sum(axis=0)
    squares += np.square(target1 - _predict(features2, target1, seed)).sum(axis=0)
    residual = np.zeros(valid.shape, np.float32)
    residual[valid] = np.sqrt(squares)
    return residual


def _features(image: Float32[np.ndarray, "band row col"]) -> Float32[np.ndarray, "feature row col"]:
    """A pixel's bands, their means around it, and how much the mean band varies around it."""
    brightness = image.mean(axis=0)
    means = [gaussian(band, sigma) for sigma in MEAN_SIGMAS for band in image]
    spreads = [_spread(brightness, sigma) for sigma in SPREAD_SIGMAS]
    return np.stack([*image, *means, *spreads])


def _spread(image: Float32[np.ndarray, "row col"], sigma: float) -> Float32[np.ndarray, "row col"]:
    variance = gaussian(image * image, sigma) - gaussian(image, sigma) ** 2
    spread: Float32[np.ndarray, "row col"] = np.sqrt(np.maximum(variance, 1e-6))
    return spread


def _predict(
    features: Float32[np.ndarray, "feature pixel"],
    target: Float32[np.ndarray, "band pixel"],
    seed: int,
) -> Float32[np.ndarray, "band pixel"]:
    """The target by a robust regression on ramps of the features."""
    random = np.random.default_rng(seed)
    pixels = features.shape[1]
    drawn: np.ndarray | slice = slice(None)
    if pixels > SAMPLE:
        drawn = np.sort(random.choice(pixels, SAMPLE, replace=False))
    ramps = _Ramps.draw(features, random)
    matrix = _robust_least_squares(ramps(features[:, drawn]), target[:, drawn])
    predicted = np.empty_like(target)
    for start in range(0, pixels, CHUNK):
        part = slice(start, start + CHUNK)
        predicted[:, part] = matrix.T @ ramps(features[:, part])
    return predicted


class _Ramps(NamedTuple):
    """1, every standardized feature, and random ramps of them."""

    mean: Float32[np.ndarray, "feature 1"]
    scale: Float32[np.ndarray, "feature 1"]
    slopes: Float32[np.ndarray, "ramp feature"]
    kinks: Float32[np.ndarray, "ramp 1"]

    @classmethod
    def draw(
        cls, features: Float32[np.ndarray, "feature pixel"], random: np.random.Generator
    ) -> _Ramps:
        count = len(features)
        spread = features.std(axis=1, dtype=np.float64)[:, None]
        return cls(
            mean=features.mean(axis=1, dtype=np.float64)[:, None].astype(np.float32),
            scale=np.where(spread > 0, spread, 1).astype(np.float32),
            slopes=random.normal(0, GAIN / count**0.5, (RAMPS, count)).astype(np.float32),
            kinks=random.uniform(-KINKS, KINKS, (RAMPS, 1)).astype(np.float32),
        )

    def __call__(
        self, features: Float32[np.ndarray, "feature pixel"]
    ) -> Float32[np.ndarray, "term pixel"]:
        standard = np.clip((features - self.mean) / self.scale, -CUT, CUT)
        ramps = np.maximum(self.slopes @ standard + self.kinks, 0)
        return np.concatenate([np.ones((1, features.shape[1]), np.float32), standard, ramps])


def _robust_least_squares(
    terms: Float32[np.ndarray, "term pixel"], target: Float32[np.ndarray, "band pixel"]
) -> Float32[np.ndarray, "term band"]:
    """Maximum likelihood of a multivariate t distribution, by re-weighting (Lange et al. 1989)."""
    bands, pixels = target.shape
    weights = np.ones(pixels, np.float32)
    smallest = NOISE_SHARE**2 * float(target.var(axis=1).mean()) + float(np.finfo(np.float32).tiny)
    for _ in range(REWEIGHTINGS + 1):
        weighted = terms * weights
        normal = (weighted @ terms.T).astype(np.float64)
        normal[np.diag_indices_from(normal)] += RIDGE * pixels
        matrix = np.linalg.solve(normal, weighted @ target.T).astype(np.float32)
        squares = np.square(target - matrix.T @ terms).sum(axis=0)
        # The median of χ² with k degrees of freedom is about k − 0.6.
        scale = max(float(np.median(squares)) / (bands - 0.6), smallest)
        weights = ((FREEDOM + bands) / (FREEDOM + squares / scale)).astype(np.float32)
    return matrix
