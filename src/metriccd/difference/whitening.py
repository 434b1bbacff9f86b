"""Inverse square roots of covariances that may be singular."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64

EIGENVALUE_FLOOR = 1e-10
"""Of a correlation matrix: below, a direction is rounding and is left out."""

_CONSTANT = 1e-24
"""Variance over squared mean below which a band is constant: float32 steps are above 1e-15."""


@dataclass(frozen=True, kw_only=True)
class Whitening:
    """A matrix W with W·C·Wᵀ = 1 on the directions kept, and what was left out.

    Attributes:
        matrix: (direction, feature); fewer rows than columns where C is singular.
        warnings: what was left out, one line each.
    """

    matrix: Float64[np.ndarray, "direction feature"]
    warnings: tuple[str, ...]


def inverse_deviation(
    variance: Float64[np.ndarray, " feature"], mean: Float64[np.ndarray, " feature"]
) -> Float64[np.ndarray, " feature"]:
    """1 / standard deviation, and 0 for constant features."""
    varies = variance > _CONSTANT * mean**2
    return np.where(varies, 1 / np.sqrt(np.where(varies, variance, 1.0)), 0.0)


def constant_bands(constant: Bool[np.ndarray, " feature"], name: str) -> tuple[str, ...]:
    """The warning about constant bands, or none."""
    if not constant.any():
        return ()
    bands = ", ".join(str(band + 1) for band in np.flatnonzero(constant))
    return (f"{name}: band {bands} constant over all valid pixels: left out",)


def whitening(
    covariance: Float64[np.ndarray, "feature feature"],
    mean: Float64[np.ndarray, " feature"],
    name: str,
) -> Whitening:
    """Whiten a covariance, leaving out constant bands and dependent directions.

    Args:
        covariance: symmetric, positive semi-definite.
        mean: of the same features; tells a constant band from a small one.
        name: what the features are, for the warnings ("t1", "difference").

    Returns:
        W, for which WᵀW is the pseudo-inverse of the covariance.
    """
    scale = inverse_deviation(np.diag(covariance), mean)
    white = correlation_whitening(covariance * np.outer(scale, scale), name)
    return Whitening(
        matrix=white.matrix * scale, warnings=constant_bands(scale == 0, name) + white.warnings
    )


def correlation_whitening(
    correlation: Float64[np.ndarray, "feature feature"], name: str
) -> Whitening:
    """Whiten a correlation matrix, leaving out dependent directions.

    On correlations, neither the unit of a band nor its gain decides what is kept.

    Args:
        correlation: symmetric, positive semi-definite; 1 on the diagonal, 0 for constant bands.
        name: what the features are, for the warnings.

    Returns:
        W with W·C·Wᵀ = 1.
    """
    values, vectors = np.linalg.eigh(correlation)
    significant = values > EIGENVALUE_FLOOR
    varying, rank = int((np.diag(correlation) > 0).sum()), int(significant.sum())
    warnings: tuple[str, ...] = ()
    if rank < varying:
        warnings = (
            f"{name}: {varying} bands are linearly dependent, rank {rank}: "
            f"{varying - rank} direction(s) below the eigenvalue floor left out",
        )
    return Whitening(
        matrix=(vectors[:, significant] / np.sqrt(values[significant])).T, warnings=warnings
    )
