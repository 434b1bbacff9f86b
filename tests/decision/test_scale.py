"""Scales: a distance becomes a score and comes back."""

from __future__ import annotations

import numpy as np
import pytest

from metriccd.decision.decision import decide
from metriccd.decision.rules import THRESHOLDS, threshold_of
from metriccd.decision.scale import Scale
from metriccd.errors import DataError
from metriccd.scene import Difference, Histogram

RNG = np.random.default_rng(7)
DISTANCE = (RNG.gamma(2, 1, (90, 120)) + 8 * (RNG.random((90, 120)) < 0.1)).astype(np.float32)
VALID = np.ones(DISTANCE.shape, bool)
FOUND = Difference(image=DISTANCE)


@pytest.mark.parametrize("level", [1e-30, 0.02, 1.0, 3e7])
def test_distances_come_back_from_scores(level: float) -> None:
    scale = Scale(kind="distance", rule="otsu", words="", level=level)
    distance = (level * np.geomspace(1e-3, 1e3, 200)[None]).astype(np.float32)
    score = scale.score(distance)
    assert (np.diff(score) > 0).all()
    np.testing.assert_allclose(scale.distance(score), distance, rtol=1e-4)
    assert scale.score(np.float32([[level]])) == pytest.approx(0.5)


def test_extreme_scores_give_finite_distances() -> None:
    scale = Scale(kind="distance", rule="otsu", words="", level=2.0)
    found = scale.distance(np.array([[0, 1, np.nan]], np.float32))
    assert found[0, 0] == 0
    assert np.isfinite(found[0, 1])
    assert found[0, 1] > 1e6
    assert np.isnan(found[0, 2])


@pytest.mark.parametrize("automatic", ["otsu", "rosin", "kapur"])
@pytest.mark.parametrize("asked", [*THRESHOLDS, 0.3, "auto"])
def test_a_rule_moves_the_threshold_never_the_score(asked: str | float, automatic: str) -> None:
    own = decide(FOUND, VALID, automatic=automatic)
    found = decide(FOUND, VALID, asked, automatic=automatic)
    np.testing.assert_array_equal(found.score, own.score)
    assert found.scale == own.scale
    if isinstance(asked, str):
        rule = automatic if asked == "auto" else asked
        level = threshold_of(rule, DISTANCE)
        assert found.verdict.level == pytest.approx(level, rel=1e-4)
        assert found.verdict.threshold == pytest.approx(level / (level + own.scale.level), 1e-4)
        assert (found.change != (level < DISTANCE)).mean() < 1e-3


def test_a_rule_on_a_probability_takes_it_as_it_is() -> None:
    values = (DISTANCE / DISTANCE.max()).astype(np.float32)
    found = decide(Difference(image=values, probability=True), VALID, "otsu", automatic=0.5)
    assert found.verdict.threshold == pytest.approx(threshold_of("otsu", values))
    np.testing.assert_array_equal(found.score, values)


@pytest.mark.parametrize("rule", ["adaptive", "kmeans"])
def test_rules_that_rank_anew_say_so_and_others_keep_the_scale(rule: str) -> None:
    several = Difference(image=DISTANCE, components=np.stack([DISTANCE, DISTANCE[::-1]]))
    anew = decide(several, VALID, rule, automatic="otsu")
    assert (anew.scale.kind, anew.verdict.threshold) == ("rank", 0.5)
    assert f"{rule} makes a score of its own" in anew.warnings[0]
    assert not decide(several, VALID, automatic=rule).warnings
    one, other = (decide(several, VALID, asked, automatic=rule) for asked in ("otsu", "rosin"))
    np.testing.assert_array_equal(one.score, other.score)


def test_a_scale_refuses_what_cannot_decide_on_it() -> None:
    scale, _ = Scale.by("otsu", histogram(), components=3)
    for rule in ("adaptive", "kmeans"):
        with pytest.raises(DataError, match=f"detect again with --threshold {rule}"):
            scale.check(rule)
    with pytest.raises(ValueError, match="χ² statistic"):
        scale.check("chi2")
    with pytest.raises(DataError, match="give a number between 0 and 1"):
        decide(FOUND, VALID, "adaptive").scale.check("otsu")
    scale.check("rosin")


def test_a_record_holds_the_scale() -> None:
    scale, _ = Scale.by("otsu", histogram(), floor=1.0, chi2_dof=3, components=2)
    assert Scale.of(scale.record()) == scale


def histogram() -> Histogram:
    counted = Histogram()
    counted.update(DISTANCE)
    return counted
