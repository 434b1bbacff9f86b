"""Fusion: a product of witnesses, none of which is heard alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from metriccd import fusion
from metriccd.adaptation import Adaptation
from metriccd.fusion import fuse, fused_distance, standardize
from metriccd.nets.features import load_extractor
from metriccd.smoothing import over_mean, smooth
from metriccd.synthetic import land_scene

RNG = np.random.default_rng(0)
ALL = np.ones((60, 70), bool)
NONE = Adaptation(steps=0)


def evidence() -> dict[str, np.ndarray]:
    return {name: RNG.random(ALL.shape).astype(np.float32) for name in fusion.WEIGHTS}


@pytest.fixture(scope="module")
def land() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    scene = land_scene(192, 192, seed=3)
    images = (image.astype(np.float32) / 5_000 for image in (scene.t1, scene.t2))
    return (*images, scene.reference)


def test_it_is_the_product_of_smoothed_distances_over_their_means() -> None:
    found = evidence()
    expected = np.ones(ALL.shape)
    for name, weight in fusion.WEIGHTS.items():
        for sigma in (1.0, 3.0):
            expected *= smooth(over_mean(found[name], ALL), ALL, sigma) ** (weight / 2)
    np.testing.assert_allclose(fuse(found, ALL, sigmas=(1.0, 3.0)), expected, rtol=1e-4)


def test_units_of_the_distances_do_not_matter() -> None:
    found = evidence()
    scaled = {name: 7 * distance for name, distance in found.items()}
    np.testing.assert_allclose(fuse(scaled, ALL), fuse(found, ALL), rtol=1e-4)


def test_invalid_pixels_are_zero_and_poison_nothing() -> None:
    found, valid = evidence(), ALL.copy()
    valid[:12] = False
    poisoned = {name: np.where(valid, distance, 1e9) for name, distance in found.items()}
    result = fuse(poisoned, valid)
    np.testing.assert_allclose(result, fuse(found, valid), rtol=1e-4)
    assert (result[:12] == 0).all()


def test_standardized_dates_keep_their_difference_up_to_one_gain() -> None:
    t1, t2 = (RNG.random((3, 60, 70)).astype(np.float32) * 9 for _ in range(2))
    one, other = standardize(t1, t2, ALL)
    np.testing.assert_allclose(np.stack([one, other]).mean(axis=(0, 2, 3)), 0.3, atol=1e-5)
    spreads = np.concatenate([one, other], axis=1).std(axis=(1, 2))
    assert spreads.mean() == pytest.approx(0.15, rel=1e-4)
    gain = (one - other) / (t1 - t2)
    np.testing.assert_allclose(gain, np.median(gain), rtol=1e-2)


@pytest.mark.parametrize("steps", [0, 6])
def test_it_ranks_known_changes_of_land_high(land, steps: int) -> None:
    t1, t2, reference = land
    found = fused_distance(
        t1,
        t2,
        np.ones_like(reference),
        rgb=(0, 1, 2),
        extractor=load_extractor("embedded"),
        adaptation=Adaptation(steps=steps),
    )
    assert roc_auc_score(reference.ravel(), found.distance.ravel()) > 0.9
    assert len(found.history.get("loss", ())) == steps


def test_the_extractor_that_was_given_is_not_changed(land) -> None:
    t1, t2, reference = land
    extractor = load_extractor("embedded")
    before = {name: value.clone() for name, value in extractor.state_dict().items()}
    fused_distance(
        t1,
        t2,
        np.ones_like(reference),
        rgb=(0, 1, 2),
        extractor=extractor,
        adaptation=replace(NONE, steps=2, batch=2, crop=32),
    )
    for name, value in extractor.state_dict().items():
        assert torch.equal(value, before[name]), name
