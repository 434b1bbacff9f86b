from __future__ import annotations

import pickle

import numpy as np
import pytest

from metriccd.scene.histogram import CAPACITY, Histogram

RNG = np.random.default_rng(7)
SCORES = {
    "uniform": RNG.random(600_000),
    "heavy_tailed": np.exp(5 * RNG.standard_normal(600_000)),
    "negative": RNG.standard_normal(600_000) - 3,
    "near_one": 1 - 1e-5 * RNG.random(600_000),
    "near_zero": np.where(RNG.random(600_000) < 0.99, 1e-6, 1) * RNG.random(600_000),
}


def histogram_of(values: np.ndarray) -> Histogram:
    histogram = Histogram()
    histogram.update(values)
    return histogram


def same(one: Histogram, other: Histogram) -> bool:
    return (
        np.array_equal(one.values, other.values)
        and np.array_equal(one.counts, other.counts)
        and (one.minimum, one.maximum) == (other.minimum, other.maximum)
    )


@pytest.mark.parametrize("name", SCORES)
def test_result_does_not_depend_on_windows_order_or_who_counted(name: str) -> None:
    values = SCORES[name].astype(np.float32)
    whole = histogram_of(values)
    parts = [histogram_of(part) for part in np.array_split(RNG.permutation(values), 7)]
    windows = Histogram()
    for window in values.reshape(300, 2000)[::-1]:
        windows.update(window.reshape(4, 500))
    assert same(whole, windows)
    assert same(whole, sum(parts, Histogram()))
    assert same(whole, pickle.loads(pickle.dumps(windows)))


def test_adding_leaves_both_histograms_as_they_were() -> None:
    one, other = histogram_of(SCORES["uniform"]), histogram_of(SCORES["negative"])
    before = pickle.dumps((one.counts, other.counts))
    total = one + other
    assert total.count == one.count + other.count
    assert pickle.dumps((one.counts, other.counts)) == before


def test_few_different_values_are_counted_exactly() -> None:
    values = RNG.integers(-100, 100, 300_000).astype(np.float32) / 8
    expected, counts = np.unique(values, return_counts=True)
    histogram = histogram_of(values)
    np.testing.assert_array_equal(histogram.values, expected)
    np.testing.assert_array_equal(histogram.counts, counts)


@pytest.mark.parametrize("name", SCORES)
def test_bins_stay_within_capacity_and_fine_relative_to_the_value(name: str) -> None:
    values = np.sort(SCORES[name].astype(np.float32))
    histogram = histogram_of(values)
    assert histogram.counts.size <= CAPACITY
    assert histogram.count == values.size
    binned = np.repeat(histogram.values, histogram.counts)
    np.testing.assert_allclose(binned, values, rtol=2.0**-11)


def test_floors_separate_neighboring_bins() -> None:
    for values in SCORES.values():
        single = values.astype(np.float32)
        histogram = histogram_of(single)
        above = histogram.counts[::-1].cumsum()[::-1]
        for k in (0, 1, above.size // 2, above.size - 1):
            assert (single > np.float32(histogram.floors[k])).sum() == above[k]


def test_extreme_numbers_keep_finite_bins() -> None:
    largest = float(np.finfo(np.float32).max)
    spread = np.concatenate([SCORES["heavy_tailed"], -SCORES["heavy_tailed"]])
    histogram = histogram_of(np.append(spread, [-largest, largest]))
    assert np.isfinite(histogram.values).all()
    assert (histogram.values[0], histogram.values[-1]) == pytest.approx((-largest, largest), 1e-3)
    assert (np.diff(histogram.values) > 0).all()
    assert not np.isnan(histogram.floors).any()


def test_negative_zero_is_zero() -> None:
    histogram = histogram_of(np.array([0.0, -0.0, 0.0], np.float32))
    assert histogram.counts.tolist() == [3]
    assert histogram.constant


def test_values_that_are_not_finite_are_ignored() -> None:
    values = np.array([np.nan, 1.0, np.inf, 2.0, -np.inf, 1e300])
    assert same(histogram_of(values), histogram_of(np.array([1.0, 2.0])))


def test_empty_histogram_has_a_ceiling_nothing_exceeds() -> None:
    empty = histogram_of(np.array([np.nan]))
    assert empty.constant
    assert empty.ceiling == np.inf
    assert empty.count == empty.counts.size == empty.values.size == 0
    assert np.isnan(empty.quantile(0.5))
    assert (empty + empty).count == 0


@pytest.mark.parametrize("q", [0.0, 1e-9, 0.02, 0.5, 0.98, 1.0])
def test_quantile_equals_numpy(q: float) -> None:
    for values in (*SCORES.values(), np.array([3.0]), np.array([1.0, 2.0])):
        single = values.astype(np.float32)
        expected = np.quantile(single, q, method="inverted_cdf")
        assert histogram_of(single).quantile(q) == pytest.approx(expected, rel=2.0**-11)


def test_quantile_refuses_a_percentage() -> None:
    with pytest.raises(ValueError, match=r"in \[0, 1\], got 98"):
        histogram_of(np.ones(3)).quantile(98.0)


@pytest.mark.parametrize("name", SCORES)
def test_uniform_levels_equal_numpy_up_to_few_values_at_the_edges(name: str) -> None:
    values = SCORES[name].astype(np.float32).astype(np.float64)
    counts, centers = histogram_of(values).uniform(256)
    expected, edges = np.histogram(values, 256)
    np.testing.assert_allclose(centers, (edges[:-1] + edges[1:]) / 2, rtol=1e-12)
    assert np.abs(counts - expected).sum() < 2e-3 * values.size
    assert counts[0] > 0
    assert counts[-1] > 0


def test_coarsened_keeps_count_and_range_in_fewer_bins() -> None:
    fine = histogram_of(SCORES["negative"])
    coarse = fine.coarsened(1000)
    assert coarse.counts.size <= 1000
    assert (coarse.count, coarse.minimum, coarse.maximum) == (
        fine.count,
        fine.minimum,
        fine.maximum,
    )
    assert fine.counts.size > 100_000


def test_share_of_splits_a_sum_into_its_parts() -> None:
    one, other = histogram_of(SCORES["uniform"][:99]), histogram_of(SCORES["near_zero"])
    both = one + other
    np.testing.assert_array_equal(both.share_of(one) + both.share_of(other), both.counts)
    assert both.share_of(one).sum() == 99


def test_a_stored_histogram_comes_back() -> None:
    counted = Histogram()
    counted.update(np.random.default_rng(0).normal(size=5000).astype(np.float32))
    kept = counted.coarsened(1024)
    again = Histogram.from_counts(kept.values.astype(np.float32), kept.counts)
    np.testing.assert_array_equal(again.values, kept.values.astype(np.float32))
    np.testing.assert_array_equal(again.counts, kept.counts)
    assert Histogram.from_counts(np.empty(0, np.float32), np.empty(0, np.int64)).count == 0
