"""Smoothing that stops at edges: a guided filter, the guides being both dates.

Change follows the outlines of things. Where the score goes on across an outline that one of the
dates shows, it has been smeared by the windows it was made with.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from metriccd.recipe.smoothing import reach, smooth

# Standard deviation, in pixels, of the windows.
SIGMA = 2.0
# Variance of a guide below which its pattern guides nothing; standardized dates vary by 0.15².
FLAT = 2e-3


def halo_of(sigma: float) -> int:
    """Context, in pixels, that a window needs: the means of means."""
    return 2 * reach(sigma)


def guided(
    image: Float[Tensor, "row col"],
    t1: Float[Tensor, "band row col"],
    t2: Float[Tensor, "band row col"],
    valid: Bool[Tensor, "row col"],
    *,
    sigma: float = SIGMA,
) -> Float[Tensor, "row col"]:
    """The guided filter (He, Sun & Tang 2010) with two guides, in Gaussian windows.

    In every window the image is taken for a linear function of the mean bands of both dates,
    a₁ g₁ + a₂ g₂ + b, by ridge regression; a pixel gets the mean of the functions of all windows
    around it.

    Args:
        image: What to smooth.
        t1: First image, standardized.
        t2: Second image, standardized.
        valid: Pixels that count.
        sigma: Standard deviation of the windows, in pixels.
    """
    guide1, guide2 = t1.mean(dim=0), t2.mean(dim=0)
    products = (guide1 * guide1, guide2 * guide2, guide1 * guide2, guide1 * image, guide2 * image)
    moments = smooth(torch.stack([guide1, guide2, image, *products]), valid, sigma)
    mean1, mean2, mean, square1, square2, product, with1, with2 = moments
    variance1 = square1 - mean1 * mean1 + FLAT
    variance2 = square2 - mean2 * mean2 + FLAT
    covariance = product - mean1 * mean2
    shared1, shared2 = with1 - mean1 * mean, with2 - mean2 * mean
    determinant = variance1 * variance2 - covariance * covariance
    slope1 = (shared1 * variance2 - shared2 * covariance) / determinant
    slope2 = (shared2 * variance1 - shared1 * covariance) / determinant
    offset = mean - slope1 * mean1 - slope2 * mean2
    slope1, slope2, offset = smooth(torch.stack([slope1, slope2, offset]), valid, sigma)
    filtered: Tensor = slope1 * guide1 + slope2 * guide2 + offset
    return filtered
