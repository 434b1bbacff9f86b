"""Gaussian means: SciPy's, over what is valid only."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from metriccd.recipe.smoothing import gaussian, reach, smooth

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("sigma", [0.5, 0.8, 1.5, 4.0, 8.0])
@pytest.mark.parametrize("shape", [(50, 60), (97, 300), (16, 5), (1, 40)])
def test_a_product_with_bands_is_scipys_gaussian_filter(
    sigma: float, shape: tuple[int, int]
) -> None:
    images = RNG.random((2, *shape)).astype(np.float32)
    expected = [gaussian_filter(image.astype(float), sigma, truncate=3) for image in images]
    found = gaussian(torch.from_numpy(images), sigma)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-6)


@pytest.mark.parametrize("sigma", [0.5, 2.0, 8.0])
def test_smoothing_is_the_mean_over_valid_pixels_only(sigma: float) -> None:
    image = RNG.random((50, 60)).astype(np.float32)
    valid = RNG.random((50, 60)) > 0.3
    poisoned = np.where(valid, image, 1e9).astype(np.float32)
    found = smooth(torch.from_numpy(poisoned)[None], torch.from_numpy(valid), sigma)[0].numpy()
    weights = gaussian_filter(valid.astype(float), sigma, truncate=3)
    total = gaussian_filter(np.where(valid, image, 0).astype(float), sigma, truncate=3)
    np.testing.assert_allclose(found[valid], (total / weights)[valid], rtol=1e-4)


def test_a_constant_image_stays_constant_beside_holes() -> None:
    valid = torch.from_numpy(RNG.random((50, 60)) > 0.5)
    found = smooth(torch.full((1, 50, 60), 3.0), valid, 2.0)[0]
    np.testing.assert_allclose(found[valid], 3, rtol=1e-5)


@pytest.mark.parametrize("sigma", [0.8, 8.0])
def test_a_pixel_sees_no_further_than_the_reach(sigma: float) -> None:
    image = torch.zeros(1, 101, 101)
    image[0, 50, 50] = 1
    rows, cols = torch.nonzero(gaussian(image, sigma)[0], as_tuple=True)
    for places in (rows, cols):
        assert int((places - 50).abs().max()) == reach(sigma)
