"""Gaussian means: SciPy's, over what is valid only."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from metriccd.smoothing import ROUNDING, over_mean, smooth

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("sigma", [0.5, 2.0, 8.0])
def test_smoothing_is_the_mean_over_valid_pixels_only(sigma: float) -> None:
    image = RNG.random((50, 60)).astype(np.float32)
    valid = RNG.random((50, 60)) > 0.3
    poisoned = np.where(valid, image, 1e9).astype(np.float32)
    found = smooth(poisoned, valid, sigma)
    weights = gaussian_filter(valid.astype(float), sigma, truncate=3)
    total = gaussian_filter(np.where(valid, image, 0).astype(float), sigma, truncate=3)
    np.testing.assert_allclose(found[valid], (total / weights)[valid], rtol=1e-4)


def test_a_constant_image_stays_constant_beside_holes() -> None:
    valid = RNG.random((50, 60)) > 0.5
    found = smooth(np.full((50, 60), 3, np.float32), valid, 2.0)
    np.testing.assert_allclose(found[valid], 3, rtol=1e-5)


def test_a_distance_over_its_mean_has_mean_one_on_what_is_valid() -> None:
    distance = RNG.random((20, 30)).astype(np.float32)
    valid = RNG.random((20, 30)) > 0.5
    assert over_mean(distance, valid)[valid].mean() == pytest.approx(1, rel=1e-5)


def test_rounding_errors_are_not_blown_up() -> None:
    distance = np.full((20, 30), ROUNDING / 100, np.float32)
    assert over_mean(distance, np.ones((20, 30), bool)).max() == pytest.approx(0.01)
