"""Dates: from the names that producers give their files, never from when a file was made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray

from metriccd.errors import DataError
from metriccd.pair import read_pair
from metriccd.pair.dates import dates_given, time_in
from raster_files import image, write


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("T32TPP_20180211T102141_B04.tif", "2018-02-11T10:21:41+00:00"),
        ("S2A_OPER_MSI_L1C_TL_EPA__20160809T015434_A000162_T32TPP_B08.tif", None),
        (
            "S2A_OPER_PRD_MSIL1C_PDMC_20160809T015434_R022_V20150704T101337_20150704T101337.SAFE",
            "2015-07-04T10:13:37+00:00",
        ),
        (
            "S2A_MSIL1C_20150704T101006_N0204_R022_T32TPP_20160809T015434.SAFE",
            "2015-07-04T10:10:06+00:00",
        ),
        ("LS20010525.tif", "2001-05-25T00:00:00+00:00"),
        ("LC08_L2SP_191031_20200719_20200911_02_T1_SR_B4.TIF", "2020-07-19T00:00:00+00:00"),
        ("LC81960222015122LGN00_B4.TIF", "2015-05-02T00:00:00+00:00"),
        ("HLS.S30.T17SLU.2020209T155956.v2.0.B8A.tif", "2020-07-27T15:59:56+00:00"),
        ("MOD09A1.A2019152.h18v04.006.2019161230144.hdf", "2019-06-01T00:00:00+00:00"),
        ("20190601_102030_1003_3B_AnalyticMS.tif", "2019-06-01T10:20:30+00:00"),
        ("site_2019-06-01.tif", "2019-06-01T00:00:00+00:00"),
        ("site_2019-06-01T10:20:30Z.tif", "2019-06-01T10:20:30+00:00"),
        ("site_2019_06_01.tif", "2019-06-01T00:00:00+00:00"),
        ("before.tif", None),
        ("2000TM", None),
        ("tile_12345678901.tif", None),
        ("scene_20201399.tif", None),
        ("scene_20200231.tif", None),
    ],
)
def test_the_sensing_time_is_read_from_the_name(name: str, expected: str | None) -> None:
    found = time_in(name)
    assert (None if found is None else found.isoformat()) == expected


def test_real_folders_with_names_of_making_have_no_date(data: Path) -> None:
    pair = read_pair(data / "oscd/pisa/imgs_1", data / "oscd/pisa/imgs_2")
    # Their names begin with S2A_OPER_MSI_L1C_TL_…__20160809, when the file was made.
    assert pair.dates[0] is None


def test_dates_that_are_given_win_and_a_wrong_order_is_said(tmp_path: Path) -> None:
    one = write(tmp_path / "a_2020-06-01.tif", image(0))
    other = write(tmp_path / "b_2019-06-01.tif", image(1))
    pair = read_pair(one, other)
    assert any("t1 was taken after t2: 2020-06-01" in line for line in pair.warnings)
    pair = read_pair(one, other, dates="2018-01-02,2018-03-04")
    assert [date.time.isoformat()[:10] for date in pair.dates if date] == [
        "2018-01-02",
        "2018-03-04",
    ]
    assert {date.source for date in pair.dates if date} == {"--dates"}
    assert not any("taken after" in line for line in pair.warnings)
    such = "2019-06-01,2020-06-01,2021-06-01"
    for count, examples in ((3, f"{such}: got 2019"), (4, f"{such},…: got 2019")):
        with pytest.raises(DataError, match=f"must be {count} dates such as {examples}"):
            dates_given("2019", count)
    with pytest.raises(DataError, match="two dates such as 2019-06-01,2020-06-01: got today"):
        read_pair(one, other, dates="today")


def test_a_coordinate_of_time_is_the_date() -> None:
    arrays = [
        xarray.DataArray(
            image(seed)[None],
            dims=("time", "band", "y", "x"),
            coords={"time": [np.datetime64(f"20{20 + seed}-05-06T07:08:09", "ns")]},
        )
        for seed in (0, 1)
    ]
    first, second = read_pair(*arrays).dates
    assert first is not None
    assert second is not None
    assert first.time.isoformat() == "2020-05-06T07:08:09+00:00"
    assert second.time.year == 2021
