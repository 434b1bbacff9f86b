"""The stretch: what is alike looks alike, and a record tells it to who shows the dates again."""

from __future__ import annotations

import json

import numpy as np
import pytest

from metriccd.report.stretch import Stretch, limits, stretched


def test_two_dates_share_a_stretch_so_that_what_is_alike_looks_alike() -> None:
    rng = np.random.default_rng(5)
    before = 1000 + 300 * rng.random((3, 80, 80)).astype(np.float32)
    after = before.copy()
    after[:, :40, :40] = 2500
    one, other = stretched(before, after)
    assert Stretch.of(before, after).shared
    np.testing.assert_array_equal(one[:, 40:], other[:, 40:])
    assert one.min() == 0
    assert other.max() == 1
    low, high = limits(one)
    # What each date would have on a stretch of its own is within the common one.
    assert (low >= 0).all()
    assert (high <= 1).all()


def test_dates_in_different_units_are_stretched_each_for_itself() -> None:
    rng = np.random.default_rng(5)
    before = 255 * rng.random((3, 80, 80)).astype(np.float32)
    after = 40 * before
    stretch = Stretch.of(before, after)
    assert not stretch.shared
    one, other = stretch.applied(before, 0), stretch.applied(after, 1)
    np.testing.assert_allclose(one, other, atol=1e-5)
    assert one.mean() > 0.3


def test_each_date_can_be_stretched_for_itself_where_both_share_one() -> None:
    rng = np.random.default_rng(6)
    before, after = rng.random((2, 3, 60, 60)).astype(np.float32)
    after *= 0.5
    stretch = Stretch.of(before, after)
    assert stretch.shared
    own = stretch.applied(after, 1, "each")
    low, high = np.percentile(after, (2, 98), axis=(1, 2))
    expected = np.clip((after - low[:, None, None]) / (high - low)[:, None, None], 0, 1)
    np.testing.assert_allclose(own, expected, atol=1e-5)
    assert own.mean() > 1.5 * stretch.applied(after, 1).mean()


def test_dates_without_contrast_or_without_data_are_no_fault() -> None:
    flat, none = np.full((3, 9, 9), 7.0, np.float32), np.full((3, 9, 9), np.nan, np.float32)
    rng = np.random.default_rng(5).random((3, 9, 9)).astype(np.float32)
    assert np.isfinite(stretched(flat, flat)[0]).all()
    assert Stretch.of(flat, 7 + rng).shared
    for image in stretched(none, none):
        assert np.isnan(image).all()


def test_a_record_tells_the_stretch() -> None:
    rng = np.random.default_rng(7)
    before, after = 3000 * rng.random((2, 3, 30, 30)).astype(np.float32)
    stretch = Stretch.of(before, after)
    told = Stretch.of_record({"display": json.loads(json.dumps(stretch.record()))})
    assert told is not None
    assert told.shared == stretch.shared
    np.testing.assert_array_equal(told.own, stretch.own)


@pytest.mark.parametrize(
    "display",
    [None, 3, {}, {"limits": "x"}, {"limits": [[1, 2]]}, {"limits": [[[None] * 3] * 2] * 2}],
)
def test_a_record_that_does_not_tell_it_is_no_fault(display) -> None:
    assert Stretch.of_record({"display": display}) is None
