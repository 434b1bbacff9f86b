"""Metric learning without labels: sure pixels teach, unsure ones and references do not."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from training.adaptation import Adaptation, adapt, change_logit, pseudo_labels
from training.crops import UNKNOWN, Lesson

from metriccd.nets.embedded import Readout
from metriccd.nets.features import Vgg16, load_extractor

QUICK = Adaptation(steps=12, batch=4, crop=32, zoom=(0.9, 1.1), learning_rate=2e-3)
RNG = np.random.default_rng(0)


def lesson(seed: int = 0) -> Lesson:
    """Noise that repeats on both dates but for one square, which is change."""
    random = torch.Generator().manual_seed(seed)
    t1 = 0.3 + 0.15 * torch.randn(3, 64, 72, generator=random)
    t2 = t1 + 0.03 * torch.randn(3, 64, 72, generator=random)
    t2[:, 20:40, 20:44] = 0.3 + 0.15 * torch.randn(3, 20, 24, generator=random)
    target = torch.zeros(64, 72)
    target[20:40, 20:44] = 1
    return Lesson(t1, t2, target)


def separation(extractor: nn.Module, pair: Lesson) -> float:
    readout = getattr(extractor, "readout", None) or Readout(2)
    with torch.no_grad():
        logit = change_logit(extractor.eval(), readout, pair.t1[None], pair.t2[None])[0]
    return float(logit[pair.target == 1].mean() - logit[pair.target == 0].mean())


@pytest.mark.parametrize("change", [0.02, 0.1])
def test_the_highest_scores_are_change_and_the_lowest_are_not(change: float) -> None:
    score = RNG.random((100, 100)).astype(np.float32)
    valid = RNG.random((100, 100)) > 0.2
    settings = replace(QUICK, change=change, no_change=0.7)
    (target,) = pseudo_labels([score], [valid], settings)
    assert (target[~valid] == UNKNOWN).all()
    assert (target == 1).sum() == pytest.approx(change * valid.sum(), rel=0.02)
    assert (target == 0).sum() == pytest.approx(0.7 * valid.sum(), rel=0.02)
    assert score[target == 1].min() > score[valid & (target == UNKNOWN)].max()
    assert score[target == 0].max() < score[valid & (target == UNKNOWN)].min()


def test_scores_that_are_all_equal_teach_no_change() -> None:
    (target,) = pseudo_labels([np.ones((20, 20), np.float32)], [np.ones((20, 20), bool)], QUICK)
    assert (target == 0).all()


def test_windows_share_one_ranking() -> None:
    score, valid = RNG.random((100, 100)).astype(np.float32), np.ones((100, 100), bool)
    (whole,) = pseudo_labels([score], [valid], QUICK)
    halves = pseudo_labels([score[:30], score[30:]], [valid[:30], valid[30:]], QUICK)
    np.testing.assert_array_equal(np.concatenate(halves), whole)


def test_an_untrained_extractor_learns_to_tell_change_from_no_change_on_another_scene() -> None:
    extractor, other = Vgg16((1, 2)), lesson(1)
    before = separation(copy.deepcopy(extractor), other)
    history = adapt(extractor, [lesson(0)], replace(QUICK, steps=40))
    assert separation(extractor, other) > before
    assert np.mean(history["loss"][-5:]) < np.mean(history["loss"][:5])


def test_the_embedded_extractor_gets_better_at_a_scene_it_is_taught() -> None:
    history = adapt(load_extractor("embedded"), [lesson(0)], replace(QUICK, steps=40))
    assert np.mean(history["loss"][-5:]) < np.mean(history["loss"][:5])
    apart = np.array(history["change"]) - np.array(history["no change"])
    assert apart[-5:].mean() > apart[:5].mean()


def test_unknown_pixels_teach_nothing() -> None:
    pair = lesson()
    unknown = pair._replace(target=torch.full_like(pair.target, UNKNOWN))
    settings = replace(QUICK, same=0.0, weight_decay=0.0, steps=3)
    taught = load_extractor("embedded")
    weights = [parameter.clone() for parameter in taught.parameters()]
    history = adapt(taught, [unknown], settings)
    assert history["loss"] == (0.0,) * 3
    for before, after in zip(weights, taught.parameters(), strict=True):
        torch.testing.assert_close(before, after, rtol=0, atol=0)


def test_same_seed_same_weights_and_the_global_random_state_is_left_alone() -> None:
    state = torch.get_rng_state()
    results = []
    for seed in (0, 0, 1):
        extractor = load_extractor("embedded")
        adapt(extractor, [lesson(), lesson(3)], replace(QUICK, steps=3), seed=seed)
        results.append(torch.cat([p.flatten() for p in extractor.parameters()]))
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("shape", [(16, 16), (16, 200), (40, 33)])
def test_scenes_smaller_than_a_crop_are_enlarged(shape: tuple[int, int]) -> None:
    images = [torch.rand(3, *shape) for _ in range(2)]
    pair = Lesson(*images, (torch.rand(shape) > 0.9).float())
    history = adapt(load_extractor("embedded"), [pair], replace(QUICK, steps=2))
    assert all(np.isfinite(values).all() for values in history.values())


def test_a_loss_that_is_no_number_is_not_hidden() -> None:
    pair = lesson()
    pair.t1[:] = float("nan")
    history = adapt(load_extractor("embedded"), [pair], replace(QUICK, same=0.0, steps=2))
    assert all(np.isnan(values).all() for values in history.values())


def test_where_a_class_is_missing_its_curve_goes_on_as_it_was() -> None:
    pair = lesson()
    nothing = pair._replace(target=torch.zeros_like(pair.target))
    history = adapt(load_extractor("embedded"), [nothing], replace(QUICK, steps=2))
    assert history["change"] == (0.5, 0.5)
    assert np.isfinite(history["loss"]).all()


@pytest.mark.parametrize("steps", [1, 2, 3, 10, 11])
def test_any_number_of_steps_will_do_and_every_curve_has_one_value_a_step(steps: int) -> None:
    history = adapt(load_extractor("embedded"), [lesson()], replace(QUICK, steps=steps))
    assert {name: len(values) for name, values in history.items()} == {
        "loss": steps,
        "change": steps,
        "no change": steps,
    }
