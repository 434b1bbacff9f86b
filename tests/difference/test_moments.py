from __future__ import annotations

import numpy as np
import pytest
from difference_scenes import Windows, flat, pair

from metriccd.difference.moments import merge, moments, moments_of
from metriccd.errors import DataError


def test_moments_equal_numpy_on_the_valid_pixels() -> None:
    t1, t2 = pair()
    valid = np.random.default_rng(1).random(t1.shape[1:]) > 0.3
    fit = moments(Windows(t1=t1, t2=t2, valid=valid, height=7, width=11))
    pixels = np.concatenate((t1[:, valid], t2[:, valid]))
    np.testing.assert_allclose(fit.mean, pixels.mean(axis=1), rtol=1e-13)
    np.testing.assert_allclose(fit.covariance, np.cov(pixels), rtol=1e-11)
    assert fit.pixels == fit.weight == valid.sum()


def test_weighted_moments_equal_numpy() -> None:
    values = np.random.default_rng(2).normal(5, 2, (4, 1000))
    weights = np.random.default_rng(3).random(1000)
    fit = moments_of(values.copy(), weights)
    np.testing.assert_allclose(fit.mean, np.average(values, axis=1, weights=weights))
    expected = np.cov(values, aweights=weights, ddof=0)
    np.testing.assert_allclose(fit.scatter / fit.weight, expected)
    np.testing.assert_allclose(fit.covariance, expected * 1000 / 999)


def test_merged_moments_equal_those_of_the_union() -> None:
    values = np.random.default_rng(2).normal(5, 2, (4, 1000))
    weights = np.random.default_rng(3).random(1000)
    whole = moments_of(values.copy(), weights)
    parts = merge(
        moments_of(values[:, :10].copy(), weights[:10]),
        moments_of(values[:, 10:].copy(), weights[10:]),
    )
    np.testing.assert_allclose(parts.mean, whole.mean)
    np.testing.assert_allclose(parts.scatter, whole.scatter)


def test_covariance_survives_an_offset_a_billion_times_the_deviation() -> None:
    # E[x²] − E[x]² has no correct digit here: x² is 1e18, the variance 0.25.
    t1 = np.random.default_rng(4).integers(0, 2, (2, 64, 64)).astype(float)
    t2 = np.random.default_rng(5).integers(0, 2, (2, 64, 64)).astype(float)
    valid = np.ones((64, 64), dtype=bool)
    fit = moments(Windows(t1=t1 + 1e9, t2=t2 + 1e9, valid=valid, height=5, width=64))
    expected = np.cov(np.hstack((flat(t1), flat(t2))).T)
    np.testing.assert_allclose(fit.covariance, expected, rtol=1e-6, atol=1e-7)


def test_float32_windows_accumulate_in_float64() -> None:
    t1, t2 = (t.astype(np.float32) for t in pair(rows=300, cols=300))
    valid = np.ones(t1.shape[1:], dtype=bool)
    fit = moments(Windows(t1=t1, t2=t2, valid=valid, height=64, width=300))
    pixels = np.concatenate((t1, t2)).reshape(6, -1).astype(np.float64)
    np.testing.assert_allclose(fit.covariance, np.cov(pixels), rtol=1e-11)


def test_valid_pixel_that_is_not_finite_is_a_fault_in_the_data() -> None:
    t1, t2 = pair()
    t1[0, 5, 5] = np.nan
    with pytest.raises(DataError, match="must be finite"):
        moments([(t1, t2, np.ones(t1.shape[1:], dtype=bool))])
