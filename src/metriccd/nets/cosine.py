"""The distance between two dates' features: 1 − cosine, with a gradient made for training.

Features are bfloat16 or float32, channels last, and large: they are widened to float32 a few
pixels at once, in memory that stays in the cache, and compared there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float, Float32
from torch import Tensor

from metriccd.nets.precision import Size

# The component that every feature vector gets; a trained channel is of the order of 1.
NOTHING = 0.1
# Feature values of one date that are compared at once.
PART = Size(cpu=2**18, elsewhere=2**30)


def cosine_distance(
    one: Float[Tensor, "batch channel row col"], other: Float[Tensor, "batch channel row col"]
) -> Float32[Tensor, "batch row col"]:
    """1 − cosine of the angle between two dates' features, in [0, 2]; it has no gradient.

    Every feature vector gets one more component, the same small constant, so that two vectors of
    zeros are alike and the gradient is finite.
    """
    with torch.no_grad():
        product, square1, square2 = _moments(one, other)
        distance: Tensor = 1 - product * (square1 * square2).rsqrt()
    return distance.clamp_(min=0)


def pair_distances(
    features: Float[Tensor, "both channel row col"],
) -> Float32[Tensor, "batch row col"]:
    """`cosine_distance` of the first half of a batch and the second, with a gradient.

    The gradient has the features' own type, channels last.
    """
    distance: Tensor = _PairDistances.apply(features)  # type: ignore[no-untyped-call]
    return distance


class _PairDistances(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor) -> Tensor:
        product, square1, square2 = _moments(*features.chunk(2))
        root = (square1 * square2).rsqrt()
        distance: Tensor = 1 - product * root
        ctx.save_for_backward(features, distance, product, square1, square2, root)
        return distance.clamp(min=0)

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> Tensor:
        features, distance, product, square1, square2, root = ctx.saved_tensors
        # d = 1 − p/√(s₁s₂): ∂d/∂x₁ = p/(s₁√(s₁s₂)) x₁ − 1/√(s₁s₂) x₂, and the other way round.
        cross = torch.where(distance >= 0, upstream[0] * root, 0)
        along = cross * product
        cross, along1, along2 = (
            slope.reshape(-1, 1) for slope in (cross, along / square1, along / square2)
        )
        gradient = torch.empty_like(features, memory_format=torch.channels_last)
        halves = [_pixels(half) for half in gradient.chunk(2)]
        for part, t1, t2, buffer in _parts(*features.chunk(2)):
            torch.mul(t1, along1[part], out=buffer).addcmul_(t2, cross[part], value=-1)
            halves[0][part] = buffer
            halves[1][part] = t2.mul_(along2[part]).addcmul_(t1, cross[part], value=-1)
        return gradient


def _moments(
    t1: Float[Tensor, "batch channel row col"], t2: Float[Tensor, "batch channel row col"]
) -> Float32[Tensor, "3 batch row col"]:
    """Scalar product and both squared norms, the additional component included."""
    batch, _, height, width = t1.shape
    moments = t1.new_empty((3, batch * height * width), dtype=torch.float32)
    for part, pixels1, pixels2, buffer in _parts(t1, t2):
        factors = ((pixels1, pixels2), (pixels1, pixels1), (pixels2, pixels2))
        for moment, (left, right) in zip(moments, factors, strict=True):
            torch.sum(torch.mul(left, right, out=buffer), dim=1, out=moment[part])
    return moments.add_(NOTHING**2).view(3, batch, height, width)


def _parts(
    t1: Float[Tensor, "batch channel row col"], t2: Float[Tensor, "batch channel row col"]
) -> Iterator[tuple[slice, Tensor, Tensor, Tensor]]:
    """Some pixels after the other: which, both dates' features of them, (pixel, channel) each.

    The last of the four is free for results. All are overwritten by the next part.
    """
    dates = _pixels(t1), _pixels(t2)
    pixels, channels = dates[0].shape
    step = min(max(PART.on(t1.device) // channels, 1), pixels)
    memory = t1.new_empty((3, step, channels), dtype=torch.float32)
    for start in range(0, pixels, step):
        part = slice(start, min(start + step, pixels))
        for buffer, date in zip(memory, dates, strict=False):
            buffer[: part.stop - start] = date[part]
        yield part, *memory[:, : part.stop - start]


def _pixels(maps: Float[Tensor, "batch channel row col"]) -> Float[Tensor, "pixel channel"]:
    """The same values, where channels come last already the same memory."""
    return maps.permute(0, 2, 3, 1).reshape(-1, maps.shape[1])
