"""Structural dissimilarity: whether the pattern around a pixel is still the same."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float32

from metriccd.smoothing import gaussian

SIGMA = 1.5
# Patterns weaker than this share of the scene's standard deviation are noise.
NOISE_SHARE = 0.15


def structural_dissimilarity(
    t1: Float32[np.ndarray, "band row col"],
    t2: Float32[np.ndarray, "band row col"],
    valid: Bool[np.ndarray, "row col"],
    *,
    sigma: float = SIGMA,
) -> Float32[np.ndarray, "row col"]:
    """1 − local correlation of the two dates' mean bands, in [0, 2]; 0 where not valid.

    1 − (cov + ε) / (√(var₁ var₂) + ε) in a Gaussian window, the structure term of SSIM (Wang et
    al. 2004): a gain or an offset, such as haze or sunlight, changes nothing, and neither do
    patterns below the noise. A new building changes everything.

    Args:
        t1: First image, standardized.
        t2: Second image, standardized.
        valid: Pixels that count.
        sigma: Standard deviation of the window, in pixels.
    """
    one, other = (np.where(valid, image.mean(axis=0), 0).astype(np.float32) for image in (t1, t2))
    both = np.concatenate([one[valid], other[valid]])
    noise = np.float32((NOISE_SHARE * both.std()) ** 2 + np.finfo(np.float32).eps)
    mean1, mean2 = gaussian(one, sigma), gaussian(other, sigma)
    variance1 = np.maximum(gaussian(one * one, sigma) - mean1 * mean1, 0)
    variance2 = np.maximum(gaussian(other * other, sigma) - mean2 * mean2, 0)
    covariance = gaussian(one * other, sigma) - mean1 * mean2
    alike = (covariance + noise) / (np.sqrt(variance1 * variance2) + noise)
    return np.where(valid, np.clip(1 - alike, 0, 2), 0).astype(np.float32)
