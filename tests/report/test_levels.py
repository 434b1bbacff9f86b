"""Levels keep every pixel on its side of any threshold that the page offers."""

from __future__ import annotations

import numpy as np
import pytest

from metriccd.report.levels import Positions, quantize
from report_scenes import levels_of


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_levels_keep_every_score_on_its_side_of_the_threshold(dtype: type) -> None:
    rng = np.random.default_rng(0)
    for threshold in [0.0, 1.0, *rng.random(200).tolist()]:
        near = threshold + np.arange(-3, 4)[:, None] * np.array([1e-7, 2e-6, 7e-6, 1 / 65535])
        score = np.clip(np.append(near, [0, threshold, 1]), 0, 1).astype(dtype)
        level = quantize(score, threshold)
        edge = int(np.floor(threshold * 65535))
        np.testing.assert_array_equal(level > edge, score > threshold)
        assert np.abs(level / 65535 - score).max() <= 1 / 65535 + 1e-12


def scores() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    score = rng.random((50, 40)) ** 2
    score[:3, :9] = np.nan
    return score, rng.integers(0, 10, score.shape)


@pytest.mark.parametrize("threshold", [0.2371, 0.5])
def test_counts_and_codes_say_the_same_at_every_position(threshold: float) -> None:
    score, kinds = scores()
    levels = levels_of(score, threshold, kinds)
    positions = Positions.of(levels, threshold, 500)
    counts, codes = positions.counts(levels), positions.codes(score)
    assert positions.values[positions.own] == threshold
    assert len(positions.values) == (501 if threshold == 0.5 else 502)
    assert (codes == 0).sum() == 27
    for index in range(len(positions.values)):
        above = codes - 1 > index
        found = np.bincount(kinds[above], minlength=10)
        np.testing.assert_array_equal(counts[:, index], found)


def test_at_the_own_threshold_counts_are_those_of_the_scores_themselves() -> None:
    score, kinds = scores()
    positions = Positions.of(levels_of(score, 0.2371, kinds), 0.2371, 500)
    changed = positions.counts(levels_of(score, 0.2371, kinds))[:, positions.own]
    np.testing.assert_array_equal(changed, np.bincount(kinds[score > 0.2371], minlength=10))


@pytest.mark.parametrize(
    ("highest", "threshold", "end"),
    [(0.04, 0.01, 0.05), (0.04, 0.3, 0.5), (0.0, 0.0, 0.01), (0.9, 0.1, 1.0), (0.9, 1.5, 1.0)],
)
def test_the_axis_holds_all_scores_and_the_threshold(
    highest: float, threshold: float, end: float
) -> None:
    levels = levels_of(np.array([[0.0, highest]]), threshold)
    positions = Positions.of(levels, threshold, 100)
    assert positions.end == end
    assert threshold in positions.values
    assert list(positions.values) == sorted(positions.values)
