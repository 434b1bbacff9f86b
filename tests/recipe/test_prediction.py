"""Prediction of one date from the other: what is explained is no change, the rest is."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from metriccd.demo.synthetic import land_scene
from metriccd.recipe.prediction import HALO, SAMPLE, Prediction, fit_prediction
from metriccd.recipe.standard import Part

RNG = np.random.default_rng(0)
T1 = np.stack([gaussian_filter(RNG.standard_normal((80, 90)), 2) for _ in range(3)])
T1 = (0.15 * T1 / T1.std() + 0.3).astype(np.float32)
ALL = np.ones(T1.shape[1:], bool)
CHANGED = np.zeros_like(ALL)
CHANGED[30:42, 40:55] = True


def part_of(t1: np.ndarray, t2: np.ndarray, valid: np.ndarray = ALL) -> Part:
    return Part(*(torch.from_numpy(each) for each in (t1, t2, valid)))


def norm(fitted: Prediction, t1: torch.Tensor, t2: torch.Tensor) -> np.ndarray:
    """√(‖t2 − f(t1)‖² + ‖t1 − g(t2)‖²)."""
    return np.hypot(*fitted.residuals(t1, t2).numpy())


def prediction_residual(
    t1: np.ndarray, t2: np.ndarray, valid: np.ndarray = ALL, seed: int = 0
) -> np.ndarray:
    part = part_of(t1, t2, valid)
    return norm(fit_prediction([part], seed=seed), part.t1, part.t2)


def test_equal_images_predict_each_other() -> None:
    assert prediction_residual(T1, T1).mean() < 0.02 * T1.std()


@pytest.mark.parametrize("bands", [1, 2, 3, 13])
def test_any_number_of_bands_is_compared(bands: int) -> None:
    image = np.resize(T1, (bands, *T1.shape[1:])) + 0.05 * RNG.standard_normal(
        (bands, *T1.shape[1:])
    ).astype(np.float32)
    found = prediction_residual(image, np.flip(image, axis=1).copy())
    assert np.isfinite(found).all()
    assert found.mean() > 0.05


def test_a_curved_color_change_of_the_whole_scene_is_explained() -> None:
    recolored = (0.9 * T1 + 2.0 * (T1 - 0.3) ** 2)[[1, 2, 0]].astype(np.float32)
    before = np.linalg.norm(T1 - recolored, axis=0).mean()
    assert prediction_residual(T1, recolored).mean() < 0.2 * before


def test_what_changes_beside_a_recoloring_stands_out() -> None:
    recolored = (0.7 * T1 + 0.1).astype(np.float32)
    recolored[:, CHANGED] = np.array([0.9, -0.3, 0.8], np.float32)[:, None]
    found = prediction_residual(T1, recolored)
    inner = CHANGED & np.roll(CHANGED, 3, 0) & np.roll(CHANGED, -3, 1)
    assert found[inner].min() > 5 * np.median(found[~CHANGED])


def test_both_dates_count_alike() -> None:
    other = (T1 + 0.05 * RNG.standard_normal(T1.shape)).astype(np.float32)
    np.testing.assert_array_equal(prediction_residual(T1, other), prediction_residual(other, T1))


def test_same_seed_same_bytes_and_the_seed_matters_little() -> None:
    scene = land_scene(160, 160)
    one, other = (image.astype(np.float32) / 10_000 for image in (scene.t1, scene.t2))
    valid = np.ones(one.shape[1:], bool)
    first, again, second = (prediction_residual(one, other, valid, seed=s) for s in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert np.corrcoef(first.ravel(), second.ravel())[0, 1] > 0.9


def test_what_is_not_valid_has_no_say() -> None:
    other = (T1 + 0.05 * RNG.standard_normal(T1.shape)).astype(np.float32)
    valid = ALL.copy()
    valid[:, :20] = False
    glint = np.where(valid, other, np.float32(9))
    far = slice(20 + HALO, None)
    found, expected = (
        fit_prediction([part_of(T1, image, valid)]).forward for image in (glint, other)
    )
    # Only the context of what lies beside differs.
    np.testing.assert_allclose(found.slopes, expected.slopes)
    residual = prediction_residual(T1, other, valid)[:, far]
    assert np.corrcoef(residual.ravel(), prediction_residual(T1, other)[:, far].ravel())[0, 1] > 0.9


def test_parts_stand_for_the_whole_that_they_make_up() -> None:
    big = [np.tile(image, (1, 4, 4)) for image in (T1, T1[::-1] + 0.1 * T1**2)]
    assert big[0][0].size > SAMPLE
    whole = part_of(*big, np.ones(big[0].shape[1:], bool))
    parts = [Part(*(each[..., s, :].contiguous() for each in whole)) for s in
             (slice(0, 80), slice(80, 200), slice(200, None))]  # fmt: skip
    expected = norm(fit_prediction([whole]), whole.t1, whole.t2)
    found = norm(fit_prediction(parts), whole.t1, whole.t2)
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.99


def test_a_window_needs_its_halo_and_no_more() -> None:
    other = (T1 + 0.05 * RNG.standard_normal(T1.shape)).astype(np.float32)
    part = part_of(T1, other)
    fitted = fit_prediction([part])
    whole = norm(fitted, part.t1, part.t2)
    window = norm(fitted, part.t1[:, 10:60, 5:70], part.t2[:, 10:60, 5:70])
    inner = slice(HALO, -HALO)
    np.testing.assert_allclose(window[inner, inner], whole[10:60, 5:70][inner, inner], atol=1e-4)
    assert np.abs(window - whole[10:60, 5:70]).max() > 1e-3


def test_a_constant_band_does_no_harm() -> None:
    flat = np.concatenate([T1, np.full((1, *T1.shape[1:]), 0.3, np.float32)])
    noisy = flat + 0.01 * RNG.standard_normal(flat.shape).astype(np.float32)
    noisy[3] = 0.3
    assert np.isfinite(prediction_residual(flat, noisy)).all()
