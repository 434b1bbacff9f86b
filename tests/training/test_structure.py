"""Structural dissimilarity: the structure term of SSIM, blind to light."""

from __future__ import annotations

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from training.structure import NOISE_SHARE, noise_variance
from training.structure import structural_dissimilarity as of_tensors

from metriccd.recipe.standard import Part

RNG = np.random.default_rng(0)
T1 = RNG.random((1, 60, 70)).astype(np.float32)
ALL = np.ones(T1.shape[1:], bool)


def structural_dissimilarity(t1: np.ndarray, t2: np.ndarray, sigma: float = 1.5) -> np.ndarray:
    part = Part(torch.from_numpy(t1), torch.from_numpy(t2), torch.from_numpy(ALL))
    return of_tensors(part.t1, part.t2, noise=noise_variance([part]), sigma=sigma).numpy()


def test_it_is_one_less_the_windowed_correlation() -> None:
    other = RNG.random(T1.shape).astype(np.float32)
    found = structural_dissimilarity(T1, other, sigma=2.0)
    a, b = T1[0].astype(float), other[0].astype(float)
    noise = (NOISE_SHARE * np.concatenate([a, b]).std()) ** 2
    mean = lambda x: gaussian_filter(x, 2.0, truncate=3)  # noqa: E731  # a formula
    covariance = mean(a * b) - mean(a) * mean(b)
    spread = np.sqrt((mean(a * a) - mean(a) ** 2) * (mean(b * b) - mean(b) ** 2))
    expected = 1 - (covariance + noise) / (spread + noise)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_gain_and_offset_change_nothing() -> None:
    found = structural_dissimilarity(T1, (0.5 * T1 + 0.2).astype(np.float32))
    assert found.max() < 0.05


def test_a_new_pattern_is_dissimilar_and_only_there() -> None:
    other = T1.copy()
    other[:, 20:35, 20:35] = RNG.random((1, 15, 15))
    found = structural_dissimilarity(T1, other)
    assert found[23:32, 23:32].mean() > 0.5
    assert found[:10].max() < 1e-3


def test_noise_on_a_flat_scene_with_one_edge_is_no_structure() -> None:
    flat = np.zeros((1, 60, 70), np.float32)
    flat[:, :, 35:] = 1
    noisy = flat + 0.005 * RNG.standard_normal(flat.shape).astype(np.float32)
    assert structural_dissimilarity(flat, noisy)[:, :20].max() < 0.05


def test_invalid_pixels_do_not_raise_the_noise() -> None:
    valid = ALL.copy()
    valid[:10] = False
    poisoned = T1.copy()
    poisoned[:, :10] = 1e6
    mask = torch.from_numpy(valid)
    one, other = (Part(torch.from_numpy(t), torch.from_numpy(t), mask) for t in (T1, poisoned))
    assert noise_variance([one]) == noise_variance([other])
