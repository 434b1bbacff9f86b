"""The adaptive rule of deep change vector analysis: a threshold that varies over the image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Float64
from scipy import ndimage
from torch.nn import functional

# A local mean is computed on blocks of a `COARSE`-th of its sigma.
COARSE = 8
# Times the local mean that change exceeds.
FACTOR = 2.0


def adaptive_score(
    image: Float[np.ndarray, "row col"],
    valid: Bool[np.ndarray, "row col"],
    *,
    sigmas: Sequence[float] = (101.0, 151.0, 201.0),
    min_pixels: int = 128,
    radius: int = 3,
) -> Float32[np.ndarray, "row col"]:
    """Local contrast of a difference image, > 0.5 where the adaptive rule of DCVA says change.

    Change is where d > `FACTOR` · G_σ * d for one of the sigmas, d being the image less its minimum
    and G_σ * d its Gaussian mean over the valid pixels around (the authors' code has no mask, and
    repeats the image's border); of each sigma's map, objects (4-connected) of
    fewer than `min_pixels` are dropped; the union is closed by a disk. The score is
    d / (d + t), t the least of the thresholds, moved to the other side of 0.5 where dropping or
    closing decided otherwise, so that the map is always score > 0.5.

    Args:
        image: Difference image, larger = more change; ignored where not valid.
        valid: Pixels that count.
        sigmas: Of the Gaussians, in pixels.
        min_pixels: Size of the smallest object.
        radius: Of the disk, in pixels.

    Returns:
        Score in [0, 1]; 0 where not valid.
    """
    excess = np.where(valid, image - image[valid].min(initial=np.inf), 0).astype(np.float32)
    thresholds = np.full(valid.shape, np.inf, np.float32)
    change = np.zeros(valid.shape, bool)
    for sigma in sigmas:
        threshold = np.float32(FACTOR) * _local_mean(excess, valid, sigma)
        change |= _without_small(excess > threshold, min_pixels)
        np.minimum(thresholds, threshold, out=thresholds)
    change = _closed(change, radius) & valid
    score = excess / np.maximum(excess + thresholds, np.finfo(np.float32).tiny)
    half = np.float32(0.5)
    above = np.nextafter(half, np.float32(1))
    consistent: Float32[np.ndarray, "row col"]
    consistent = np.where(change, np.maximum(score, above), np.minimum(score, half))
    return consistent


def _local_mean(
    image: Float32[np.ndarray, "row col"], valid: Bool[np.ndarray, "row col"], sigma: float
) -> Float32[np.ndarray, "row col"]:
    """Gaussian mean over valid pixels; computed on blocks, which are small beside sigma."""
    size = max(1, min(int(sigma / COARSE), *image.shape))
    total, weight = (
        ndimage.gaussian_filter(_block_sums(values, size), sigma / size, mode="constant")
        for values in (np.where(valid, image, 0), valid)
    )
    mean = torch.from_numpy(total / np.maximum(weight, 1e-6))[None, None]
    upsampled = functional.interpolate(mean, scale_factor=float(size), mode="bilinear").numpy()
    cropped: Float32[np.ndarray, "row col"]
    cropped = upsampled[0, 0, : image.shape[0], : image.shape[1]].astype(np.float32)
    return cropped


def _block_sums(image: np.ndarray, size: int) -> Float64[np.ndarray, "block_row block_col"]:
    """Sums over blocks of size × size pixels; the last ones may reach beyond the image."""
    rows, cols = (np.arange(0, side, size) for side in image.shape)
    sums: np.ndarray
    sums = np.add.reduceat(np.add.reduceat(image.astype(np.float64), rows, axis=0), cols, axis=1)
    return sums


def _without_small(
    change: Bool[np.ndarray, "row col"], min_pixels: int
) -> Bool[np.ndarray, "row col"]:
    """Drops objects of fewer pixels."""
    labels, _ = ndimage.label(change)
    is_large = np.bincount(labels.ravel()) >= min_pixels
    is_large[0] = False
    large: Bool[np.ndarray, "row col"] = is_large[labels]
    return large


def _closed(change: Bool[np.ndarray, "row col"], radius: int) -> Bool[np.ndarray, "row col"]:
    """Closing by a disk; beyond the image is neither change nor a hole."""
    offsets = np.arange(-radius, radius + 1)
    disk = offsets[:, None] ** 2 + offsets**2 <= radius**2
    dilated = ndimage.binary_dilation(change, disk)
    closed: Bool[np.ndarray, "row col"] = ndimage.binary_erosion(dilated, disk, border_value=1)
    return closed
