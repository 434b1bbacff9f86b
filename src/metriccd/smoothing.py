"""Gaussian means over what is valid, and distances in units of their mean."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Float32
from scipy import ndimage

# Mean distances below this are rounding errors, which no division may blow up.
ROUNDING = 1e-4
# Standard deviations after which a Gaussian is cut: 0.3 % of its weight lies beyond.
TRUNCATE = 3.0


def gaussian(
    image: Float[np.ndarray, "row col"] | Bool[np.ndarray, "row col"], sigma: float
) -> Float32[np.ndarray, "row col"]:
    """An image smoothed; its border is mirrored."""
    smoothed: Float32[np.ndarray, "row col"] = ndimage.gaussian_filter(
        image.astype(np.float32, copy=False), sigma, truncate=TRUNCATE
    )
    return smoothed


def smooth(
    image: Float[np.ndarray, "row col"], valid: Bool[np.ndarray, "row col"], sigma: float
) -> Float32[np.ndarray, "row col"]:
    """Gaussian mean over the valid pixels around each (normalized convolution)."""
    total = gaussian(np.where(valid, image, 0), sigma)
    smoothed: Float32[np.ndarray, "row col"] = total / np.maximum(gaussian(valid, sigma), 1e-6)
    return smoothed


def over_mean(
    distance: Float[np.ndarray, "row col"], valid: Bool[np.ndarray, "row col"]
) -> Float32[np.ndarray, "row col"]:
    """A distance over its mean, unless that is nothing but rounding errors."""
    mean = float(distance[valid].mean(dtype=np.float64))
    return (distance / max(mean, ROUNDING)).astype(np.float32)
