"""Fusion: a product of witnesses, none of which is heard alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from metriccd.recipe.adaptation import Adaptation
from scipy.ndimage import gaussian_filter
from sklearn.metrics import roc_auc_score
from torch import nn

from metriccd.demo.synthetic import land_scene
from metriccd.nets import precision
from metriccd.nets.features import load_extractor
from metriccd.recipe import fusion, guidance
from metriccd.recipe.fusion import Fusion, fit_fusion, fuse
from metriccd.recipe.scale import LARGEST, SMALLEST
from metriccd.recipe.standard import Part

RNG = np.random.default_rng(0)
ALL = np.ones((60, 70), bool)
VALID = torch.from_numpy(ALL)
NONE = Adaptation(steps=0)


def evidence() -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(RNG.random(ALL.shape, np.float32)) for name in fusion.EXPONENTS}


@pytest.fixture(scope="module")
def land() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    scene = land_scene(192, 192, seed=3)
    images = (image.astype(np.float32) / 5_000 for image in (scene.t1, scene.t2))
    return (*images, scene.reference)


def part_of(valid: torch.Tensor = VALID) -> Part:
    flat = torch.full((3, *ALL.shape), 0.3)
    return Part(flat, flat, valid)


def test_it_is_the_product_of_smoothed_distances_where_no_date_shows_an_outline() -> None:
    found, log = evidence(), np.zeros(ALL.shape)
    for name, weight in fusion.EXPONENTS.items():
        for sigma in (1.0, 3.0):
            smoothed = gaussian_filter(found[name].numpy().astype(float), sigma, truncate=3)
            log += weight / 2 * np.log(smoothed)
    for _ in range(2):
        log = gaussian_filter(log, guidance.SIGMA, truncate=3)
    np.testing.assert_allclose(fuse(found, part_of(), sigmas=(1.0, 3.0)), np.exp(log), rtol=1e-3)


def test_invalid_pixels_are_zero_and_poison_nothing() -> None:
    found, valid = evidence(), VALID.clone()
    valid[:12] = False
    poisoned = {name: torch.where(valid, distance, 1e9) for name, distance in found.items()}
    result = fuse(poisoned, part_of(valid))
    np.testing.assert_allclose(result, fuse(found, part_of(valid)), rtol=1e-4)
    assert (result[:12] == 0).all()


def fitted(land, **options) -> Fusion:
    t1, t2, reference = land
    settings = {
        "rgb": (0, 1, 2),
        "extractor": load_extractor("embedded"),
        "adaptation": NONE,
    } | options
    return fit_fusion([(t1, t2, np.ones_like(reference))], **settings)


@pytest.mark.parametrize("steps", [0, 6])
def test_it_ranks_known_changes_of_land_high(land, steps: int) -> None:
    t1, t2, reference = land
    found = fitted(land, adaptation=Adaptation(steps=steps))
    distance = found(t1, t2, np.ones_like(reference))
    assert roc_auc_score(reference.ravel(), distance.ravel()) > 0.9
    assert len(found.history.get("loss", ())) == steps


def test_witnesses_are_around_one_where_nothing_special_happens(land) -> None:
    t1, t2, reference = land
    distance = fitted(land)(t1, t2, np.ones_like(reference))
    assert 0.01 < np.median(distance) < 1.5


def test_units_of_the_images_do_not_matter(land) -> None:
    t1, t2, reference = land
    valid = np.ones_like(reference)
    other = (7 * t1 + 3, 7 * t2 + 3, reference)
    found, expected = fitted(other)(*other[:2], valid), fitted(land)(t1, t2, valid)
    assert np.corrcoef(np.log(found.ravel()), np.log(expected.ravel()))[0, 1] > 0.999


@pytest.mark.parametrize("scale", [SMALLEST, 1.2])
def test_a_window_with_its_halo_is_measured_as_in_the_whole(
    land, scale: float, monkeypatch
) -> None:
    monkeypatch.setattr(precision, "_cpu_has_bfloat16", lambda: False)
    t1, t2, reference = land
    found = replace(fitted(land), scale=scale)
    assert found.halo % found.stride == 0
    whole = found(t1, t2, np.ones_like(reference))
    rows, cols = slice(16, 176), slice(8, 160)
    window = found(t1[:, rows, cols], t2[:, rows, cols], np.ones((160, 152), bool))
    inner = slice(found.halo, -found.halo)
    np.testing.assert_allclose(window[inner, inner], whole[rows, cols][inner, inner], rtol=2e-3)


def test_a_larger_scale_smooths_more_and_needs_more_context(land) -> None:
    t1, t2, reference = land
    fine, coarse = (replace(fitted(land), scale=scale) for scale in (SMALLEST, LARGEST))
    assert fine.halo < coarse.halo
    one, other = (np.log(each(t1, t2, np.ones_like(reference))) for each in (fine, coarse))
    assert np.abs(np.diff(other)).mean() < 0.7 * np.abs(np.diff(one)).mean()


def test_the_scale_is_that_of_a_first_look(land, monkeypatch) -> None:
    looks = []
    monkeypatch.setattr(fusion, "scale_of", lambda *look: looks.append(look) or 1.3)
    found = fitted(land)
    t1, t2, reference = land
    assert found.scale == 1.3
    ((first,), _) = looks[-1]
    expected = replace(found, scale=1.0)(t1, t2, np.ones_like(reference))
    np.testing.assert_allclose(first, expected, rtol=1e-4)


def test_the_extractor_that_was_given_is_not_changed(land) -> None:
    extractor = load_extractor("embedded")
    before = {name: value.clone() for name, value in extractor.state_dict().items()}
    fitted(land, extractor=extractor, adaptation=replace(NONE, steps=2, batch=2, crop=32))
    for name, value in extractor.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_what_is_adapted_has_no_statistics_that_a_few_crops_could_move(land) -> None:
    network = fitted(land, adaptation=replace(NONE, steps=2, batch=2, crop=32)).network
    assert not [each for each in network.modules() if isinstance(each, nn.BatchNorm2d)]
    untaught = load_extractor("embedded")
    moved = network.state_dict()["blocks.0.0.weight"] - folded_weight(untaught)
    assert 0 < moved.abs().max() < 0.1


def folded_weight(extractor: nn.Module) -> torch.Tensor:
    convolution, normalization = extractor.blocks[0][:2]
    gain = normalization.weight / (normalization.running_var + normalization.eps).sqrt()
    return (convolution.weight * gain[:, None, None, None]).detach()


def scores(land, device: str, steps: int) -> np.ndarray:
    t1, t2, reference = land
    found = fitted(land, adaptation=replace(NONE, steps=steps), device=device)
    distance = found(t1, t2, np.ones_like(reference))
    return distance / (distance + 3)  # about the threshold that Rosin's rule finds


def test_a_gpu_measures_what_the_cpu_measures(land, gpu) -> None:
    np.testing.assert_allclose(scores(land, gpu, 0), scores(land, "cpu", 0), atol=1e-2)


def test_a_gpu_learns_what_the_cpu_learns(land, gpu) -> None:
    # Every step adds to what was rounded otherwise in the one before: alike, not equal.
    one, other = (scores(land, device, 60) for device in ("cpu", gpu))
    assert np.abs(one - other).mean() < 2e-2
