"""Fusion: a product of witnesses, none of which is heard alone, in both directions of time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score
from torch import nn

from metriccd.demo.synthetic import land_scene
from metriccd.nets import precision
from metriccd.nets.features import load_extractor
from metriccd.recipe import fusion, guidance
from metriccd.recipe.fusion import Fusion, Look, fit_fusion
from metriccd.recipe.scale import LARGEST, SMALLEST
from metriccd.recipe.standard import Part

RNG = np.random.default_rng(0)
ALL = np.ones((60, 70), bool)
VALID = torch.from_numpy(ALL)
WITNESSES = [name for name in fusion.EXPONENTS if name != "plain"]


def distances() -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(RNG.random(ALL.shape, np.float32)) for name in WITNESSES}


@pytest.fixture(scope="module")
def land() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    scene = land_scene(192, 192, seed=3)
    images = (image.astype(np.float32) / 5_000 for image in (scene.t1, scene.t2))
    return (*images, scene.reference)


def part_of(valid: torch.Tensor = VALID) -> Part:
    flat = torch.full((3, *ALL.shape), 0.3)
    return Part(flat, flat, valid)


def looked(look: Look, weight: float) -> tuple[torch.Tensor, torch.Tensor]:
    return look.merged(look.logs(1.0), 1.0, weight)


def test_it_is_the_product_of_smoothed_distances_where_no_date_shows_an_outline() -> None:
    appeared, plain = distances(), distances()["prediction"]
    log, lean = looked(Look(appeared, None, plain, part_of()), 1.0)
    expected = np.zeros(ALL.shape)
    for name, distance in (appeared | {"plain": plain}).items():
        for sigma in fusion.SIGMAS:
            smoothed = gaussian_filter(distance.numpy().astype(float), sigma, truncate=3)
            expected += fusion.EXPONENTS[name] / len(fusion.SIGMAS) * np.log(smoothed)
    for _ in range(2):
        expected = gaussian_filter(expected, guidance.SIGMA, truncate=3)
    np.testing.assert_allclose(log, expected, atol=2e-3)
    assert (lean == 1).all()


def test_both_is_the_weighted_mean_of_the_directions_and_leans_to_the_larger() -> None:
    appeared, disappeared, plain = distances(), distances(), distances()["prediction"]
    both = Look(appeared, disappeared, plain, part_of())
    one, other, _ = both.logs(1.0)
    log, lean = looked(both, 0.3)
    expected = 0.3 * one + 0.7 * other
    for _ in range(2):
        expected = gaussian_filter(expected.numpy() if _ == 0 else expected, 2.0, truncate=3)
    np.testing.assert_allclose(log, expected, atol=2e-3)
    assert torch.equal(lean > 0, one > other)


def test_invalid_pixels_poison_nothing() -> None:
    appeared, plain, valid = distances(), distances()["prediction"], VALID.clone()
    valid[:12] = False
    poisoned = {name: torch.where(valid, distance, 1e9) for name, distance in appeared.items()}
    result, _ = looked(Look(poisoned, None, plain, part_of(valid)), 1.0)
    expected, _ = looked(Look(appeared, None, plain, part_of(valid)), 1.0)
    np.testing.assert_allclose(result[12:], expected[12:], rtol=1e-4, atol=1e-4)


def fitted(land, **options) -> Fusion:
    t1, t2, reference = land
    settings = {"rgb": (0, 1, 2), "extractor": load_extractor("embedded")} | options
    return fit_fusion([(t1, t2, np.ones_like(reference))], **settings)


def measured(found: Fusion, land) -> np.ndarray:
    t1, t2, reference = land
    return found(t1, t2, np.ones_like(reference))


@pytest.mark.parametrize("direction", ["both", "appeared"])
def test_the_scene_it_was_fitted_on_is_measured_as_any_other_window_is(land, direction) -> None:
    found = fitted(land, direction=direction)
    assert found.whole is not None
    again = replace(found, whole=None)
    np.testing.assert_allclose(measured(found, land), measured(again, land), rtol=1e-5, atol=1e-6)
    t1, t2, reference = land
    other = t2 + 0.1
    valid = np.ones_like(reference)
    np.testing.assert_array_equal(found(t1, other, valid), again(t1, other, valid))


def test_ranks_are_those_of_spearman() -> None:
    random = np.random.default_rng(0)
    one, other = random.integers(0, 9, (2, 500)).astype(float)
    other += one
    expected = spearmanr(one, other).statistic
    assert fusion._correlation(one, other) == pytest.approx(expected)
    assert fusion._correlation(one, np.ones(500)) == 0


@pytest.mark.parametrize("options", [{}, {"plain_features": False}, {"direction": "appeared"}])
def test_it_ranks_known_changes_of_land_high(land, options) -> None:
    distance, _ = measured(fitted(land, **options), land)
    assert roc_auc_score(land[2].ravel(), distance.ravel()) > 0.9


def test_witnesses_are_around_one_where_nothing_special_happens(land) -> None:
    distance, _ = measured(fitted(land), land)
    assert 0.01 < np.median(distance) < 1.5


def test_noise_and_another_light_stay_below_one_and_a_small_change_in_them_does_not(land) -> None:
    ground, _, reference = land
    one, other = (ground + RNG.normal(0, 2e-3, ground.shape).astype(np.float32) for _ in range(2))
    alike = (one, 1.2 * other + 0.01, reference)
    assert measured(fitted(alike), alike)[0].max() < 1
    alike[1][:, 90:102, 90:102] = 1.2 * ground[:, 20:32, 150:162] + 0.3
    distance, _ = measured(fitted(alike), alike)
    assert distance[93:99, 93:99].min() > 1
    assert (distance > 1).mean() < 0.02


def test_units_of_the_images_do_not_matter(land) -> None:
    t1, t2, reference = land
    other = (7 * t1 + 3, 7 * t2 + 3, reference)
    found, expected = measured(fitted(other), other)[0], measured(fitted(land), land)[0]
    assert np.corrcoef(np.log(found.ravel()), np.log(expected.ravel()))[0, 1] > 0.999


def test_the_order_of_the_dates_does_not_matter(land) -> None:
    t1, t2, reference = land
    swapped = (t2, t1, reference)
    one, other = fitted(land), fitted(swapped)
    assert one.weight == pytest.approx(1 - other.weight, abs=1e-6)
    assert one.scale == pytest.approx(other.scale, rel=1e-5)
    (first, lean), (second, opposite) = measured(one, land), measured(other, swapped)
    np.testing.assert_allclose(first, second, rtol=1e-3)
    np.testing.assert_allclose(lean, -opposite, atol=1e-3)


def test_what_disappeared_is_what_appeared_with_the_dates_swapped(land) -> None:
    t1, t2, reference = land
    gone, _ = measured(fitted(land, direction="disappeared"), land)
    swapped = (t2, t1, reference)
    came, _ = measured(fitted(swapped, direction="appeared"), swapped)
    np.testing.assert_allclose(gone, came, rtol=1e-3)


def test_a_new_object_appears_and_a_lost_one_disappears() -> None:
    noise = np.random.default_rng(1).normal(0.3, 0.02, (2, 3, 160, 160)).astype(np.float32)
    ground = gaussian_filter(np.random.default_rng(2).normal(0, 1, (3, 160, 160)), (0, 3, 3))
    t1, t2 = noise + 0.4 * ground.astype(np.float32)
    t2[:, 30:50, 30:50] += 0.5
    t1[:, 110:130, 100:120] += 0.5
    _, lean = measured(fitted((t1, t2, np.zeros((160, 160), bool))), (t1, t2, t1[0] > 9))
    assert np.median(lean[32:48, 32:48]) > 0 > np.median(lean[112:128, 102:118])


@pytest.mark.parametrize("scale", [SMALLEST, 1.2])
def test_a_window_with_its_halo_is_measured_as_in_the_whole(
    land, scale: float, monkeypatch
) -> None:
    monkeypatch.setattr(precision, "_cpu_has_bfloat16", lambda: False)
    t1, t2, _ = land
    found = replace(fitted(land), scale=scale, whole=None)
    assert found.halo % found.stride == 0
    whole, _ = measured(found, land)
    rows, cols = slice(16, 176), slice(8, 160)
    window, _ = found(t1[:, rows, cols], t2[:, rows, cols], np.ones((160, 152), bool))
    inner = slice(found.halo, -found.halo)
    np.testing.assert_allclose(window[inner, inner], whole[rows, cols][inner, inner], rtol=2e-3)


def test_a_larger_scale_smooths_more_and_needs_more_context(land) -> None:
    fine, coarse = (replace(fitted(land), scale=scale, whole=None) for scale in (SMALLEST, LARGEST))
    assert fine.halo < coarse.halo
    sharp, soft = (np.log(measured(each, land)[0]) for each in (fine, coarse))
    assert np.abs(np.diff(soft)).mean() < 0.8 * np.abs(np.diff(sharp)).mean()


def test_the_scale_is_that_of_a_first_look(land, monkeypatch) -> None:
    looks = []
    monkeypatch.setattr(fusion, "scale_of", lambda *look: looks.append(look) or 1.3)
    found = fitted(land, direction="appeared")
    assert found.scale == 1.3
    ((first,), _, ground) = looks[-1]
    assert ground is None
    expected, _ = measured(replace(found, scale=1.0, whole=None), land)
    np.testing.assert_allclose(first, expected, rtol=1e-4)


def test_the_extractor_that_was_given_is_not_changed_and_its_first_levels_are_seen(land) -> None:
    extractor = load_extractor("embedded")
    before = {name: value.clone() for name, value in extractor.state_dict().items()}
    network = fitted(land, extractor=extractor).network
    for name, value in extractor.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert network.levels == (1, 2)
    assert not [each for each in network.modules() if isinstance(each, nn.BatchNorm2d)]


def test_an_extractor_of_one_level_will_do(land) -> None:
    distance, _ = measured(fitted(land, extractor=nn.Sequential(nn.Conv2d(3, 4, 1), Level())), land)
    assert np.isfinite(distance).all()


class Level(nn.Module):
    """Its input as the only level."""

    def forward(self, maps: torch.Tensor) -> tuple[torch.Tensor]:
        return (maps,)


def test_a_gpu_measures_what_the_cpu_measures(land, gpu) -> None:
    on_gpu, on_cpu = (measured(fitted(land, device=device), land)[0] for device in (gpu, "cpu"))
    np.testing.assert_allclose(on_gpu / (on_gpu + 3), on_cpu / (on_cpu + 3), atol=1e-2)
