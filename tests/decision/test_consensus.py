"""The consensus: a mean of four rules, as log-odds of the share that they take."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, logit
from skimage.filters import threshold_otsu

from metriccd.decision.consensus import (
    BALANCED,
    CAUTIOUS,
    THOROUGH,
    Consensus,
    cautious,
    consensus,
    thorough,
)
from metriccd.decision.thresholds import rosin
from metriccd.scene import Histogram


def histogram_of(values: np.ndarray) -> Histogram:
    histogram = Histogram()
    histogram.update(values)
    return histogram


def distances(share: float, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    changed = int(share * 40_000)
    calm, change = random.gamma(2, 0.4, 40_000 - changed), random.normal(9, 2, changed)
    return np.concatenate([calm, change.clip(0.1)]).astype(np.float32)


@pytest.mark.parametrize("share", [0.002, 0.05, 0.4])
def test_it_is_the_mean_of_what_the_rules_say_on_powers(share: float) -> None:
    values = distances(share)
    root, fourth = np.sqrt(values), values**0.25
    said = [
        (values > rosin(histogram_of(values))).mean(),
        (root > rosin(histogram_of(root))).mean(),
        (root > threshold_otsu(root)).mean(),
        (fourth > threshold_otsu(fourth)).mean(),
    ]
    expected = expit(logit(np.clip(said, 0.0005, 0.98)).mean())
    found = Consensus.of(histogram_of(values))
    np.testing.assert_allclose(found.votes, said, atol=2e-3)
    assert found.share(0.0) == pytest.approx(expected, rel=0.03)
    taken = (values > consensus(histogram_of(values))).mean()
    assert taken == pytest.approx(found.share(), abs=1e-3)


def test_operating_points_are_nested() -> None:
    histogram = histogram_of(distances(0.1))
    assert thorough(histogram) < consensus(histogram) < cautious(histogram)
    found = Consensus.of(histogram)
    assert CAUTIOUS < BALANCED < THOROUGH
    assert logit(found.share(CAUTIOUS)) == pytest.approx(logit(found.share(0.0)) - 0.8)
    assert logit(found.share(THOROUGH)) == pytest.approx(logit(found.share(0.0)) + 0.6)


def test_the_unit_of_the_distance_does_not_matter() -> None:
    values = distances(0.05)
    one, other = (consensus(histogram_of(factor * values)) for factor in (1, 1000))
    assert other == pytest.approx(1000 * one, rel=2e-3)


def test_equal_values_hold_no_change() -> None:
    assert consensus(histogram_of(np.full(100, 3.0))) == 3.0
    assert consensus(Histogram()) == float("inf")


def test_it_says_how_sure_it_is() -> None:
    sure = Consensus(votes=np.array([0.04, 0.05, 0.05, 0.06])).sentence()
    assert sure.startswith("the rules agree: alone they say 4 % to 6 % changed")
    assert "anything between 1.9 % and 8.7 %" in sure
    torn = Consensus(votes=np.array([0.002, 0.05, 0.1, 0.3])).sentence()
    assert torn.startswith(
        "the histogram has no clear corner: alone they say 0.2 % to 30 % changed"
    )
