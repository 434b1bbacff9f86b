"""Gaussian means over what is valid, as products with banded matrices."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from metriccd.nets import Size

# Mean distances below this are rounding errors, which no division may blow up.
ROUNDING = 1e-4
# Standard deviations after which a Gaussian is cut: 0.3 % of its weight lies beyond.
TRUNCATE = 3.0
# Rows or columns made at once. A block of n needs n + 2·reach of input: few more products than
# the Gaussian has taps, and a matrix product runs at twenty times the speed of a loop over taps.
# On a CPU small blocks waste little; elsewhere each takes a call of its own.
BLOCK = Size(cpu=32, elsewhere=256)


def reach(sigma: float) -> int:
    """Pixels on each side that a Gaussian sees."""
    return int(TRUNCATE * sigma + 0.5)


def gaussian(
    images: Float[Tensor, "channel row col"],
    sigma: float,
    out: Float[Tensor, "channel row col"] | None = None,
) -> Float[Tensor, "channel row col"]:
    """Images smoothed; their border is mirrored, as `scipy.ndimage.gaussian_filter` does it.

    Args:
        images: What to smooth.
        sigma: In pixels.
        out: Contiguous; where to put the result, if that exists already.
    """
    images = images.contiguous()
    channels, height, width = images.shape
    device, block = str(images.device), BLOCK.on(images.device)
    vertical = torch.empty_like(images)
    smoothed = torch.empty_like(images) if out is None else out
    for start in range(0, height, block):
        stop = min(start + block, height)
        low, high, band = _band(height, start, stop, sigma, device)
        for channel in range(channels):
            torch.mm(band, images[channel, low:high], out=vertical[channel, start:stop])
    rows, result = vertical.view(-1, width), smoothed.view(-1, width)
    for start in range(0, width, block):
        stop = min(start + block, width)
        low, high, band = _band(width, start, stop, sigma, device)
        torch.mm(rows[:, low:high], band.T, out=result[:, start:stop])
    return smoothed


def smooth(
    images: Float[Tensor, "channel row col"], valid: Bool[Tensor, "row col"], sigma: float
) -> Float[Tensor, "channel row col"]:
    """Gaussian means over the valid pixels around each (normalized convolution)."""
    if bool(valid.all()):
        return gaussian(images, sigma)
    weights = gaussian(valid[None].to(images.dtype), sigma).clamp(min=1e-6)
    return gaussian(torch.where(valid, images, 0), sigma) / weights


@lru_cache(maxsize=1024)
def _band(
    size: int, start: int, stop: int, sigma: float, device: str
) -> tuple[int, int, Float[Tensor, "output input"]]:
    """Weights of inputs low to high on outputs start to stop of an axis of `size` pixels."""
    radius = reach(sigma)
    offsets = np.arange(-radius, radius + 1)
    taps = np.exp(-0.5 * (offsets / sigma) ** 2)
    taps /= taps.sum()
    inputs = (np.arange(start, stop)[:, None] + offsets) % (2 * size)
    # Mirrored with the edge repeated.
    inputs = np.where(inputs >= size, 2 * size - 1 - inputs, inputs)
    low, high = int(inputs.min()), int(inputs.max()) + 1
    weights = np.zeros((stop - start, high - low))
    np.add.at(weights, (np.arange(stop - start)[:, None], inputs - low), taps)
    return low, high, torch.from_numpy(weights.astype(np.float32)).to(device)
