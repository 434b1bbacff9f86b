"""Structural dissimilarity: whether the pattern around a pixel is still the same."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from metriccd.recipe.smoothing import gaussian, reach
from metriccd.recipe.standard import Part

SIGMA = 1.5
HALO = reach(SIGMA)
# Patterns weaker than this share of the scene's standard deviation are noise.
NOISE_SHARE = 0.15


def noise_variance(parts: Sequence[Part]) -> float:
    """Variance below which a pattern of this scene is noise."""
    gray = torch.cat([image.mean(dim=0)[part.valid] for part in parts for image in part[:2]])
    return float((NOISE_SHARE * gray.double().std(correction=0)) ** 2 + torch.finfo(gray.dtype).eps)


def structural_dissimilarity(
    t1: Float[Tensor, "band row col"],
    t2: Float[Tensor, "band row col"],
    *,
    noise: float,
    sigma: float = SIGMA,
) -> Float[Tensor, "row col"]:
    """1 − local correlation of the two dates' mean bands, in [0, 2].

    1 − (cov + ε) / (√(var₁ var₂) + ε) in a Gaussian window, the structure term of SSIM (Wang et
    al. 2004): a gain or an offset, such as haze or sunlight, changes nothing, and neither do
    patterns below the noise. A new building changes everything.

    Args:
        t1: First image, standardized.
        t2: Second image, standardized.
        noise: ε, the variance of noise.
        sigma: Standard deviation of the window, in pixels.
    """
    gray1, gray2 = t1.mean(dim=0), t2.mean(dim=0)
    moments = torch.stack([gray1, gray2, gray1 * gray1, gray2 * gray2, gray1 * gray2])
    mean1, mean2, square1, square2, product = gaussian(moments, sigma)
    variance1 = (square1 - mean1 * mean1).clamp(min=0)
    variance2 = (square2 - mean2 * mean2).clamp(min=0)
    correlation = (product - mean1 * mean2 + noise) / ((variance1 * variance2).sqrt() + noise)
    dissimilarity: Tensor = (1 - correlation).clamp(0, 2)
    return dissimilarity
