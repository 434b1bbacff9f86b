"""Prediction of one date from the other: what is explained is no change, the rest is."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from metriccd.prediction import prediction_residual
from metriccd.synthetic import land_scene

RNG = np.random.default_rng(0)
T1 = np.stack([gaussian_filter(RNG.standard_normal((80, 90)), 2) for _ in range(3)])
T1 = (0.15 * T1 / T1.std() + 0.3).astype(np.float32)
ALL = np.ones(T1.shape[1:], bool)
CHANGED = np.zeros_like(ALL)
CHANGED[30:42, 40:55] = True


def test_equal_images_predict_each_other() -> None:
    assert prediction_residual(T1, T1, ALL).mean() < 0.02 * T1.std()


@pytest.mark.parametrize("bands", [1, 2, 3, 13])
def test_any_number_of_bands_is_compared(bands: int) -> None:
    image = np.resize(T1, (bands, *T1.shape[1:])) + 0.05 * RNG.standard_normal(
        (bands, *T1.shape[1:])
    ).astype(np.float32)
    found = prediction_residual(image, np.flip(image, axis=1).copy(), ALL)
    assert np.isfinite(found).all()
    assert found.mean() > 0.05


def test_a_curved_color_change_of_the_whole_scene_is_explained() -> None:
    recolored = (0.9 * T1 + 2.0 * (T1 - 0.3) ** 2)[[1, 2, 0]].astype(np.float32)
    before = np.linalg.norm(T1 - recolored, axis=0).mean()
    assert prediction_residual(T1, recolored, ALL).mean() < 0.2 * before


def test_what_changes_beside_a_recoloring_stands_out() -> None:
    recolored = (0.7 * T1 + 0.1).astype(np.float32)
    recolored[:, CHANGED] = np.array([0.9, -0.3, 0.8], np.float32)[:, None]
    found = prediction_residual(T1, recolored, ALL)
    inner = CHANGED & np.roll(CHANGED, 3, 0) & np.roll(CHANGED, -3, 1)
    assert found[inner].min() > 5 * np.median(found[~CHANGED])


def test_both_dates_count_alike() -> None:
    other = (T1 + 0.05 * RNG.standard_normal(T1.shape)).astype(np.float32)
    np.testing.assert_array_equal(
        prediction_residual(T1, other, ALL), prediction_residual(other, T1, ALL)
    )


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
    valid[:20] = False
    found = prediction_residual(T1, other, valid)
    assert (found[:20] == 0).all()
    assert (found[20:] > 0).all()


def test_a_constant_band_does_no_harm() -> None:
    flat = np.concatenate([T1, np.full((1, *T1.shape[1:]), 0.3, np.float32)])
    noisy = flat + 0.01 * RNG.standard_normal(flat.shape).astype(np.float32)
    noisy[3] = 0.3
    assert np.isfinite(prediction_residual(flat, noisy, ALL)).all()
