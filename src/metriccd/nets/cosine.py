"""The distance between two dates' features: 1 − cosine, with a gradient made for training."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

# The component that every feature vector gets; a trained channel is of the order of 1.
NOTHING = 0.1


def cosine_distance(
    one: Float[Tensor, "batch channel row col"], other: Float[Tensor, "batch channel row col"]
) -> Float[Tensor, "batch row col"]:
    """1 − cosine of the angle between two dates' features, in [0, 2].

    Every feature vector gets one more component, the same small constant, so that two vectors of
    zeros are alike and the gradient is finite.
    """
    product, square1, square2 = _moments(one.float(), other.float())
    distance: Tensor = 1 - product * (square1 * square2).rsqrt()
    return distance.clamp(min=0)


def pair_distances(
    features: Float[Tensor, "both channel row col"],
) -> Float[Tensor, "batch row col"]:
    """`cosine_distance` of the first half of a batch and the second.

    Its gradient is written out: four passes over the features instead of a dozen, in their own
    type and order of bytes, which everything before it then keeps.
    """
    distance: Tensor = _PairDistances.apply(features)  # type: ignore[no-untyped-call]
    return distance


class _PairDistances(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor) -> Tensor:
        one, other = features.chunk(2)
        product, square1, square2 = _moments(one.float(), other.float())
        root = (square1 * square2).rsqrt()
        distance = 1 - product * root
        ctx.save_for_backward(features, distance, product, square1, square2, root)
        return distance.clamp(min=0)

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> Tensor:
        features, distance, product, square1, square2, root = ctx.saved_tensors
        one, other = features.chunk(2)
        # d = 1 − p/√(s₁s₂): ∂d/∂x₁ = p/(s₁√(s₁s₂)) x₁ − 1/√(s₁s₂) x₂, and the other way round.
        across = torch.where(distance >= 0, upstream[0] * root, 0)
        along = across * product
        gradient = torch.empty_like(features)
        for half, own, cross, square in zip(
            gradient.chunk(2), (one, other), (other, one), (square1, square2), strict=True
        ):
            own_part = own * (along / square)[:, None]
            half.copy_(own_part.addcmul_(cross, across[:, None], value=-1))
        return gradient


def _moments(
    one: Float[Tensor, "batch channel row col"], other: Float[Tensor, "batch channel row col"]
) -> tuple[Float[Tensor, "batch row col"], ...]:
    """Scalar product and both squared norms, the additional component included."""
    product = (one * other).sum(dim=1) + NOTHING**2
    square1, square2 = (each.square().sum(dim=1) + NOTHING**2 for each in (one, other))
    return product, square1, square2
