"""The payload: what the page's script reads is what the result is, and it is small."""

from __future__ import annotations

import json
import zlib
from base64 import b64decode
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from metriccd.kinds import KINDS
from metriccd.report.payload import (
    SCORE,
    packed_outlines,
    packed_pictures,
    payload,
    stretches,
)
from metriccd.report.pictures import CHANGE_RGB, ring
from metriccd.report.stretch import limits
from report_scenes import Page, report, with_kinds


def page_of(shown: dict) -> Page:
    """A payload as a page of nothing else."""
    return Page(f'<script id="payload">{json.dumps(shown)}</script>')


def test_codes_decode_to_which_positions_a_score_is_above() -> None:
    score = report().score.copy()
    score[3:9, 5:20] = np.nan
    data = report(score=score)
    shown, positions = payload(data)
    codes = page_of(shown).codes()
    np.testing.assert_array_equal(codes == 0, np.isnan(score))
    np.testing.assert_array_equal(codes, positions.codes(score))
    np.testing.assert_array_equal((codes > positions.own + 1), score > data.threshold)


def test_kinds_come_with_their_counts_and_colors() -> None:
    data = with_kinds()
    shown, positions = payload(data)
    assert [each["name"] for each in shown["kinds"]] == ["vegetation-lost", "built"]
    assert [each["color"] for each in shown["kinds"]] == [
        KINDS["vegetation-lost"].color,
        KINDS["built"].color,
    ]
    counts = page_of(shown).counts()
    assert counts[:, positions.own].tolist() == [60, 36]
    assert counts[:, np.searchsorted(positions.values, 0.5)].tolist() == [60, 4]
    assert shown["valid"] == [600, 600]
    kinds = np.frombuffer(zlib.decompress(b64decode(shown["kindMap"])), np.uint8)
    np.testing.assert_array_equal(kinds.reshape(40, 30), data.kind_map)


def test_where_kinds_are_not_known_there_is_one_without_a_name() -> None:
    shown, _ = payload(report())
    assert [each["name"] for each in shown["kinds"]] == [None]
    assert shown["kindMap"] is None


def test_a_score_that_is_noise_takes_fewer_steps() -> None:
    noise = np.random.default_rng(0).random((1400, 1400)).astype(np.float32)
    shown, positions = payload(report(score=noise, pixel_area=None))
    assert len(shown["score"]) < 1.2 * SCORE
    assert len(positions.values) < 40
    assert positions.values[positions.own] == 0.31


def test_pictures_are_as_good_as_their_room_allows() -> None:
    noise = np.random.default_rng(0).random((2, 3, 600, 800)).astype(np.float32)
    best = packed_pictures(*noise, room=10**9)
    assert Image.open(BytesIO(b64decode(best[0]))).size == (800, 600)
    for room in (800_000, 400_000, 200_000):
        pair = packed_pictures(*noise, room=room)
        assert sum(map(len, pair)) <= room
    assert Image.open(BytesIO(b64decode(pair[1]))).size < (800, 600)


def test_outlines_without_a_script_go_around_change_and_hide_none_of_it() -> None:
    score = np.zeros((60, 80), np.float32)
    score[20:30, 30:50] = 0.9
    picture = Image.open(BytesIO(b64decode(packed_outlines(score, 0.5)))).convert("RGBA")
    drawn = np.asarray(picture)
    np.testing.assert_array_equal(drawn[..., 3] == 255, ring(score > 0.5))
    assert (drawn[19, 30:50] == (*CHANGE_RGB, 255)).all()
    assert not drawn[20:30, 30:50, 3].any()


def test_each_date_can_be_stretched_for_itself_from_what_is_shown() -> None:
    rng = np.random.default_rng(2)
    dates = 0.2 + 0.3 * rng.random((3, 50, 50)), rng.random((3, 50, 50))
    for image, bands in zip(dates, stretches(*dates), strict=True):
        for band, (slope, intercept) in zip(image, bands, strict=True):
            low, high = np.percentile(band, (2, 98))
            assert slope * low + intercept == pytest.approx(0, abs=1e-9)
            assert slope * high + intercept == pytest.approx(1, abs=1e-9)
    assert limits(dates[0]).shape == (2, 3)
