"""Places to train on: what a data set says is what is learned."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from metriccd.benchmark.datasets import find_pairs
from metriccd.benchmark.places import read_places
from metriccd.errors import GridError
from raster_files import write


def test_a_city_of_oscd_comes_with_its_reference(data: Path) -> None:
    pairs = [each for each in find_pairs("oscd", data / "oscd") if each.name == "bercy"]
    (place,) = read_places(pairs)
    assert place.name == "bercy"
    assert place.bands == ("1", "2", "3")
    assert place.t1.shape == place.t2.shape == (3, 395, 360)
    assert place.judged.all()
    # The data set's own README tells of 1 and 2, of which the second is change.
    assert 0 < place.changed.mean() < 0.1


def test_a_place_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for folder, side in (("t1", 40), ("t2", 30), ("reference", 40)):
        (tmp_path / folder).mkdir()
        image = np.random.default_rng(0).integers(0, 2, (3, side, 40), dtype=np.uint8)
        write(tmp_path / folder / "b.tif", image, crs=None, transform=None)
    with pytest.raises(GridError, match=r"^b: .*one size"):
        list(read_places(find_pairs("plain", tmp_path)))


def test_dates_of_different_size_and_thirteen_bands_are_read_on_one_grid(data: Path) -> None:
    pairs = find_pairs("oscd", data / "oscd", bands=["all"])
    places = {
        place.name: place
        for place in read_places([pair for pair in pairs if pair.name in ("hongkong", "rennes")])
    }
    for place in places.values():
        assert len(place.bands) == 13
        assert place.t1.shape == place.t2.shape
        assert place.t1.max() > 1000
        assert np.isfinite(place.t2).all()
    assert [places["rennes"].bands[band] for band in places["rennes"].rgb] == ["B04", "B03", "B02"]
    hongkong = places["hongkong"]
    assert hongkong.judged.mean() > 0.98
