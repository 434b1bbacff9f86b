"""The closed form: distances as PyTorch and SciPy compute them, and no seams."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch.nn import functional

from metriccd import closed_form
from metriccd.closed_form import deep_distance, smooth
from metriccd.nets.features import load_extractor

RNG = np.random.default_rng(0)
T1 = RNG.random((4, 90, 110)).astype(np.float32)
T2 = np.clip(T1 + 0.05 * RNG.standard_normal(T1.shape), 0, 1).astype(np.float32)
ALL = np.ones(T1.shape[1:], bool)


def distance(t1=T1, t2=T2, valid=ALL, **options) -> np.ndarray:
    return deep_distance(
        t1, t2, valid, rgb=(2, 1, 0), extractor=load_extractor("embedded"), **options
    )


def test_it_is_the_geometric_mean_of_the_smoothed_sum() -> None:
    extractor = load_extractor("embedded")
    with torch.inference_mode():
        dates = torch.from_numpy(np.stack([T1[[2, 1, 0]], T2[[2, 1, 0]]]))
        cosines = [
            functional.interpolate(
                1 - functional.cosine_similarity(level[:1], level[1:])[None],
                size=ALL.shape,
                mode="bilinear",
            )[0, 0].numpy()
            for level in extractor(dates)
        ]
    spectral = np.linalg.norm(T1 - T2, axis=0)
    total = sum(part / part.mean() for part in (spectral, spectral, *cosines))
    expected = np.sqrt(gaussian_filter(total, 1.5) * gaussian_filter(total, 5))
    # normalized convolution differs from reflection only where the kernel meets the border
    inner = (slice(25, -25), slice(25, -25))
    found = distance(sigmas=(1.5, 5.0))
    np.testing.assert_allclose(found[inner], expected[inner], rtol=1e-4)


def test_tiles_leave_no_seam(monkeypatch) -> None:
    whole = distance()
    monkeypatch.setattr(closed_form, "TILE", 32)
    np.testing.assert_allclose(distance(), whole, rtol=2e-5)


def test_identical_images_have_no_distance() -> None:
    assert distance(t2=T1).max() < 0.02
    assert distance().min() > 0.2


def test_it_is_symmetric_in_the_dates() -> None:
    np.testing.assert_allclose(distance(t1=T2, t2=T1), distance(), rtol=1e-5)


@pytest.mark.parametrize("sigma", [0.5, 2.0, 8.0])
def test_smoothing_is_the_mean_over_valid_pixels_only(sigma: float) -> None:
    image = RNG.random((50, 60)).astype(np.float32)
    valid = RNG.random((50, 60)) > 0.3
    poisoned = np.where(valid, image, 1e9).astype(np.float32)
    found = smooth(poisoned, valid, sigma)
    weights = gaussian_filter(valid.astype(float), sigma)
    expected = gaussian_filter(np.where(valid, image, 0).astype(float), sigma) / weights
    np.testing.assert_allclose(found[valid], expected[valid], rtol=1e-4)


def test_a_constant_image_stays_constant_beside_holes() -> None:
    valid = RNG.random((50, 60)) > 0.5
    found = smooth(np.full((50, 60), 3, np.float32), valid, 2.0)
    np.testing.assert_allclose(found[valid], 3, rtol=1e-5)
