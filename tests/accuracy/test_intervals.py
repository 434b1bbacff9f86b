"""Intervals: they hold the figure, narrow with more ground, and depend on nothing but the seed."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from metriccd.accuracy.intervals import block_intervals


def scene(side: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    changed = np.kron(random.random((side // 8, side // 8)) < 0.2, np.ones((8, 8))).astype(bool)
    values = np.clip(random.normal(0.4 + 0.2 * changed, 0.15), 0, 1)
    return values, values > 0.5, changed


def test_an_interval_holds_the_figure_of_scikit_learn() -> None:
    values, change, changed = scene(512)
    ends = block_intervals(values, change, changed, np.ones_like(change))
    for name, figure in (
        ("f1", f1_score(changed.ravel(), change.ravel())),
        ("auc", roc_auc_score(changed.ravel(), values.ravel())),
        ("ap", average_precision_score(changed.ravel(), values.ravel())),
    ):
        low, high = ends[name]
        assert low < figure < high
        assert high - low < 0.1


def test_four_times_the_ground_halves_the_interval() -> None:
    widths = []
    for side in (512, 1024):
        values, change, changed = scene(side)
        low, high = block_intervals(values, change, changed, np.ones_like(change))["f1"]
        widths.append(high - low)
    assert widths[0] / widths[1] == pytest.approx(2, rel=0.35)


def test_the_seed_decides_the_draws() -> None:
    values, change, changed = scene(256)
    judged = np.ones_like(change)
    one, same, other = (
        block_intervals(values, change, changed, judged, seed=seed) for seed in (1, 1, 2)
    )
    assert one == same != other


def test_one_block_tells_no_interval() -> None:
    values, change, changed = scene(64)
    assert block_intervals(values, change, changed, np.ones_like(change)) == {}
