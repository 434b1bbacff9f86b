"""Acquisition dates from the names that producers give their files."""

from __future__ import annotations

import pytest

from metriccd.stac import acquired


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("T32TPP_20180211T102141_B04.tif", "2018-02-11T10:21:41+00:00"),
        (
            "S2A_OPER_MSI_L1C_TL_EPA__20160809T015434_A000162_T32TPP_B08.tif",
            "2016-08-09T01:54:34+00:00",
        ),
        ("LS20010525.tif", "2001-05-25T00:00:00+00:00"),
        ("LC08_L2SP_191031_20200719_20200911_02_T1_SR_B4.TIF", "2020-07-19T00:00:00+00:00"),
        ("before.tif", None),
        ("tile_12345678901.tif", None),
        ("scene_20201399.tif", None),
    ],
)
def test_the_sensing_time_is_read_from_the_name(name: str, expected: str | None) -> None:
    found = acquired([name])
    assert (None if found is None else found.isoformat()) == expected


def test_impossible_days_are_no_dates() -> None:
    assert acquired(["scene_20200231.tif"]) is None
