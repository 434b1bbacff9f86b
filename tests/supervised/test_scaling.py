"""Scaling: z-scores of any stream of parts, fixed ranges, and what they say of other values."""

from __future__ import annotations

import numpy as np
import pytest

from metriccd.errors import DataError
from metriccd.supervised.scaling import Ranges, Standard, ranges_of


def test_parts_give_the_moments_of_the_whole() -> None:
    random = np.random.default_rng(0)
    image = random.normal(1e4, 3, (2, 40, 30)).astype(np.float32)
    valid = random.random((40, 30)) > 0.2
    parts = [(image[:, rows], valid[rows]) for rows in (slice(0, 7), slice(7, 8), slice(8, 40))]
    standard = Standard.of(parts)
    pixels = image[:, valid].astype(np.float64)
    np.testing.assert_allclose(standard.mean, pixels.mean(axis=1), rtol=1e-6)
    np.testing.assert_allclose(standard.deviation, pixels.std(axis=1), rtol=1e-5)
    scores = standard(image, valid)
    assert (scores[:, ~valid] == 0).all()
    np.testing.assert_allclose(scores[:, valid].std(axis=1), 1, rtol=1e-3)


def test_a_constant_band_and_an_empty_part_do_no_harm() -> None:
    image, valid = np.full((1, 4, 4), 7, np.float32), np.ones((4, 4), bool)
    standard = Standard.of([(image, ~valid), (image, valid)])
    assert (standard(image, valid) == 0).all()


def test_ranges_cut_and_know_what_is_far_out_of_them() -> None:
    ranges = Ranges.of([(100, 200)])
    image = np.array([[[50, 100, 150, 200, 249, 251]]], np.float32)
    valid = np.array([[True, True, True, True, True, True]])
    np.testing.assert_allclose(ranges(image, valid)[0, 0], [0, 0, 0.5, 1, 1, 1])
    assert ranges.beyond(image, valid) == 1
    assert ranges.beyond(image, ~valid) == 0


def test_pictures_have_eight_bits_and_other_values_the_published_quantiles() -> None:
    assert ranges_of(["1", "2", "3"], 255) == [(0, 255)] * 3
    assert ranges_of(["B04", "B03", "B02"], 5000) == [(426, 3698), (667, 2969), (885, 2620)]
    with pytest.raises(DataError, match=r"got B04, B03, B08.*B04,B03,B02"):
        ranges_of(["B04", "B03", "B08"], 5000)
