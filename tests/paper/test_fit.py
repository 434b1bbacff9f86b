"""The per-pair optimizer: eq. 9 goes down, every setting counts, nothing ends in NaN."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest
import torch

from metriccd.nets.features import load_extractor
from metriccd.paper import fit as fit_module
from metriccd.paper import losses
from metriccd.paper.fit import PAPER, RELEASED, Fit, FitSettings, fit_pair

RNG = np.random.default_rng(0)
T1 = RNG.random((4, 48, 56)).astype(np.float32)
T2 = np.clip(T1 + 0.02 * RNG.standard_normal(T1.shape), 0, 1).astype(np.float32)
T2[:, 10:20, 10:25] = RNG.random((4, 10, 15))
ALL = np.ones(T1.shape[1:], bool)
QUICK = replace(PAPER, generator="resnet4", steps=4, learning_rate=1e-3)


def fit(settings: FitSettings = QUICK, *, t1=T1, t2=T2, valid=ALL, **options) -> Fit:
    extractor = options.pop("extractor", None) or load_extractor("embedded", settings.levels)
    return fit_pair(t1, t2, valid, rgb=(0, 1, 2), extractor=extractor, settings=settings, **options)


def test_the_papers_settings_are_the_defaults() -> None:
    assert FitSettings() == PAPER
    assert (PAPER.generator, PAPER.levels, PAPER.steps) == ("resnet32", (1, 2), 80)
    assert (PAPER.learning_rate, PAPER.alpha, PAPER.balance) == (1e-5, 1.0, "sparsity")
    assert PAPER.train_extractor
    assert PAPER.distance == PAPER.input == "mahalanobis"


def test_the_objective_is_the_sum_of_its_terms_and_goes_down() -> None:
    history = fit(replace(QUICK, steps=12)).history
    assert list(history) == ["image", "feature", "context", "balance", "total", "mean P_c"]
    parts = np.sum([history[name] for name in ("image", "feature", "context", "balance")], axis=0)
    np.testing.assert_allclose(parts, history["total"], rtol=1e-5)
    assert history["total"][-1] < history["total"][0]


def test_the_first_image_term_is_eq_5_of_the_first_probability() -> None:
    """P_c of an untrained generator is recovered from the mean of P_c and eq. 8."""
    history = fit(replace(QUICK, steps=1)).history
    mean = history["mean P_c"][0]
    assert history["balance"][0] == pytest.approx(1 / np.sin(np.pi * mean), rel=1e-4)
    distance = losses.mahalanobis_distance(torch.from_numpy(T1), torch.from_numpy(T2))
    assert abs(history["image"][0]) <= float(distance.mean())


@pytest.mark.parametrize("term", ["image", "feature", "context", "balance"])
def test_terms_can_be_left_out_one_by_one(term: str) -> None:
    history = fit(replace(QUICK, steps=1, terms=PAPER.terms - {term})).history
    assert term not in history
    assert len(history) == 5


@pytest.mark.parametrize(
    "settings",
    [
        replace(RELEASED, generator="resnet4", steps=2),
        replace(QUICK, generator="unet", steps=2),
        replace(QUICK, generator="hourglass", steps=2),
        replace(QUICK, levels=(1, 2, 3), steps=2),
        replace(QUICK, distance="l1", gate="hard", balance="contrast", steps=2),
        replace(QUICK, input="absolute", train_extractor=False, steps=2),
    ],
    ids=["released", "unet", "hourglass", "levels", "l1 hard contrast", "absolute frozen"],
)
def test_every_setting_gives_probabilities(settings: FitSettings) -> None:
    found = fit(settings)
    assert found.probability.shape == ALL.shape
    assert 0 <= found.probability.min() <= found.probability.max() <= 1
    assert found.probability.std() > 0
    assert np.isfinite([value for curve in found.history.values() for value in curve]).all()


def test_the_extractor_is_trained_only_where_asked() -> None:
    for trained in (True, False):
        extractor = load_extractor("embedded")
        # Its readout belongs to another way of teaching it.
        weights = [weight for name, weight in extractor.named_parameters() if "readout" not in name]
        before = [weight.clone() for weight in weights]
        fit(replace(QUICK, train_extractor=trained), extractor=extractor)
        moved = [not torch.equal(old, new) for old, new in zip(before, weights, strict=True)]
        assert all(moved) if trained else not any(moved)


def test_invalid_pixels_have_no_say() -> None:
    valid = ALL.copy()
    valid[:, 40:] = False
    one, other = (np.where(valid, image, 0) for image in (T1, T2))
    clean = fit(t1=one, t2=other, valid=valid)
    assert np.isfinite(clean.probability[valid]).all()
    means = clean.history["mean P_c"]
    assert all(0 < mean < 1 for mean in means)


@pytest.mark.parametrize("case", ["duplicated", "constant", "identical"])
def test_degenerate_pairs_stay_finite(case: str) -> None:
    one, other = T1.copy(), T2.copy()
    if case == "duplicated":
        one[1], other[1] = one[0], other[0]
    elif case == "constant":
        one[3], other[3] = 0.5, 0.5
    else:
        other = one.copy()
    found = fit(t1=one, t2=other)
    assert np.isfinite(found.probability).all()
    assert np.isfinite([value for curve in found.history.values() for value in curve]).all()


def test_the_global_random_state_is_left_alone() -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    fit(replace(QUICK, steps=1), seed=5)
    assert torch.equal(torch.rand(3), expected)


def test_progress_counts_the_steps() -> None:
    from metriccd.stages import Stages

    seen: list[tuple[str, int, int]] = []
    fit(stages=Stages(lambda *step: seen.append(step)))
    assert seen[0] == ("fit", 0, 4)
    assert seen[-1] == ("fit", 4, 4)


SLOWLY = {"generator": "resnet4", "steps": 4, "learning_rate": 1e-4}


@pytest.mark.parametrize("settings", [replace(PAPER, **SLOWLY), replace(RELEASED, **SLOWLY)])
def test_bfloat16_changes_neither_losses_nor_the_order_of_pixels(
    monkeypatch, settings: FitSettings
) -> None:
    """In float32 the curves are those of the same draws; a CPU without bfloat16 has no other."""
    half = fit(settings)
    monkeypatch.setattr(fit_module, "autocast", lambda _: nullcontext())
    full = fit(settings)
    np.testing.assert_allclose(half.history["total"], full.history["total"], rtol=0.02, atol=0.02)
    both = np.corrcoef(half.probability.ravel(), full.probability.ravel())
    assert both[0, 1] > 0.995
