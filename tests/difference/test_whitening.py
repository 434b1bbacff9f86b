from __future__ import annotations

import numpy as np

from metriccd.difference.whitening import whitening

_RNG = np.random.default_rng(0)


def test_whitened_covariance_is_the_identity() -> None:
    covariance = np.cov(_RNG.normal(size=(4, 4)) @ _RNG.normal(size=(4, 500)))
    white = whitening(covariance, np.ones(4), "t1")
    np.testing.assert_allclose(white.matrix @ covariance @ white.matrix.T, np.eye(4), atol=1e-9)
    assert white.warnings == ()


def test_bands_of_very_different_units_are_all_kept() -> None:
    scale = np.array([1e-6, 1.0, 1e6])
    covariance = np.cov(_RNG.normal(size=(3, 500))) * np.outer(scale, scale)
    white = whitening(covariance, scale, "t1")
    np.testing.assert_allclose(white.matrix.T @ white.matrix, np.linalg.inv(covariance), rtol=1e-6)


def test_dependent_and_constant_bands_are_left_out_and_named() -> None:
    bands = _RNG.normal(size=(2, 500))
    values = np.vstack((bands, bands.sum(axis=0), np.full(500, 7.0)))
    white = whitening(np.cov(values), values.mean(axis=1), "t2")
    centered = values - values.mean(axis=1, keepdims=True)
    # On the data's own subspace every generalized inverse gives one distance.
    expected = np.einsum("bn,bc,cn->n", centered, np.linalg.pinv(np.cov(values)), centered)
    np.testing.assert_allclose(((white.matrix @ centered) ** 2).sum(axis=0), expected)
    assert white.warnings == (
        "t2: band 4 constant over all valid pixels: left out",
        "t2: 3 bands are linearly dependent, rank 2: "
        "1 direction(s) below the eigenvalue floor left out",
    )
