"""Slow feature analysis: combinations of bands that vary least between the dates."""

from __future__ import annotations

import numpy as np

from metriccd.difference.blocks import Blocks, DifferenceImage
from metriccd.difference.moments import Moments
from metriccd.difference.reweighting import Variates, chi_square_image, reweighted, scaled_variates
from metriccd.difference.whitening import constant_bands, correlation_whitening, inverse_deviation


def sfa(blocks: Blocks) -> DifferenceImage:
    """Slow feature analysis (Wu, Du & Zhang 2014).

    Every band of every date is standardized to s with mean 0 and variance 1. With
    A = E[(s1 − s2)(s1 − s2)ᵀ] and B = (E[s1·s1ᵀ] + E[s2·s2ᵀ])/2, solve A·w = λ·B·w, wᵀBw = 1; the
    components are |wᵢᵀ(s1 − s2)| / √λᵢ, slowest (least λ) first, each of variance 1.

    Args:
        blocks: the windows of the pair.

    Returns:
        One component per slow feature (the number of bands unless some are dependent), in
        standard deviations; merged to χ² = Σ component², `chi2_dof` = number of components.

    Raises:
        DataError: no pixel is valid.
    """
    return chi_square_image(
        reweighted(blocks, _slow_features, max_iterations=1, tolerance=0.0, name="sfa")
    )


def isfa(blocks: Blocks, *, max_iterations: int = 50, tolerance: float = 1e-3) -> DifferenceImage:
    """Iterative slow feature analysis (Wu, Du & Zhang 2014).

    SFA, repeated with every pixel weighted by its probability of no change, P(χ²_k > χ²), until
    no √λ moves by `tolerance`. One pass over the windows per iteration. As with `irmad`, the
    weights trim the tails that λ is estimated from: χ² is larger than a chi-square variable.

    Args:
        blocks: the windows of the pair.
        max_iterations: passes at most.
        tolerance: largest change of a √λ at which to stop.

    Returns:
        As `sfa`.

    Raises:
        DataError: no pixel is valid.
        ValueError: fewer than one iteration.
    """
    variates = reweighted(
        blocks, _slow_features, max_iterations=max_iterations, tolerance=tolerance, name="isfa"
    )
    return chi_square_image(variates)


def _slow_features(weighted: Moments, everywhere: Moments) -> Variates:
    """Slow features of both dates over the standard deviation of their difference, √λ."""
    del everywhere  # the same call for all standardizations
    bands = len(weighted.mean) // 2
    scale = inverse_deviation(np.diag(weighted.covariance), weighted.mean)
    varies = scale[:bands] * scale[bands:] > 0
    warnings = constant_bands(~varies, "t1 or t2")
    scale *= np.tile(varies, 2)
    correlation = weighted.covariance * np.outer(scale, scale)
    cross = correlation[:bands, bands:]
    within = correlation[:bands, :bands] + correlation[bands:, bands:]
    white = correlation_whitening(within / 2, "t1 and t2")
    slowness, axes = np.linalg.eigh(white.matrix @ (within - cross - cross.T) @ white.matrix.T)
    features = axes.T @ white.matrix
    return scaled_variates(
        np.hstack((features, -features)) * scale,
        slowness,
        weighted.mean,
        np.sqrt(np.maximum(slowness, 0.0)),
        warnings + white.warnings,
    )
