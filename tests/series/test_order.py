"""Images are put in order of time by what tells it."""

from __future__ import annotations

from pathlib import Path

import pytest

from metriccd.errors import DataError
from metriccd.series.order import in_order
from raster_files import image, write

DAYS = ("2019-06-01", "2020-06-02", "2021-06-03")


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    return [write(tmp_path / f"scene_{day}.tif", image(seed)) for seed, day in enumerate(DAYS)]


def test_dates_in_names_order_the_images_and_the_order_is_told(files: list[Path]) -> None:
    found, notes = in_order([files[2], files[0], files[1]])
    assert [each.name for each in found] == list(DAYS)
    assert [each.number for each in found] == [1, 2, 3]
    assert [each.stamp for each in found] == [18048, 18415, 18781]  # days since 1970-01-01
    assert notes == ["the images were put in order of time: 2019-06-01, 2020-06-02, 2021-06-03"]
    assert in_order(files)[1] == []


def test_masks_of_an_image_go_where_it_goes(files: list[Path]) -> None:
    found, _ = in_order([files[2], files[0]], masks_of={1: "cloud.tif"})
    assert [each.masks for each in found] == [(), ("cloud.tif",)]
    with pytest.raises(DataError, match="from 1 to 2: got 3"):
        in_order(files[:2], masks_of={3: "cloud.tif"})


def test_given_dates_count_and_there_must_be_one_for_each(files: list[Path]) -> None:
    found, _ = in_order(files, dates="2003-01-01,2001-01-01,2002-01-01")
    assert [each.image for each in found] == [files[1], files[2], files[0]]
    with pytest.raises(DataError, match="3 dates such as"):
        in_order(files, dates="2003-01-01,2001-01-01")


def test_two_images_of_one_day_are_refused(files: list[Path], tmp_path: Path) -> None:
    again = write(tmp_path / "again_2020-06-02.tif", image(9))
    with pytest.raises(DataError, match=r"different days: .*scene_.* and .*again_.* 2020-06-02"):
        in_order([*files, again])


def test_where_a_date_is_unknown_the_images_are_numbered_as_given(
    files: list[Path], tmp_path: Path
) -> None:
    unknown = write(tmp_path / "latest.tif", image(9))
    found, notes = in_order([files[2], files[0], unknown])
    assert [each.name for each in found] == ["1", "2", "3"]
    assert [each.image for each in found] == [files[2], files[0], unknown]
    assert "latest.tif" in notes[0]
    assert "numbered" in notes[0]


def test_one_image_is_no_series(files: list[Path]) -> None:
    with pytest.raises(DataError, match="2 to 250 images: got 1"):
        in_order(files[:1])
