"""Places to train on: what a data set says is what is learned."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from metriccd.benchmark.datasets import find_pairs
from metriccd.benchmark.places import read_places


def test_a_city_of_oscd_comes_with_its_reference(data: Path) -> None:
    pairs = [each for each in find_pairs("oscd", data / "oscd") if each.name == "bercy"]
    (place,) = read_places(pairs)
    assert place.name == "bercy"
    assert place.bands == ("1", "2", "3")
    assert place.t1.shape == place.t2.shape == (3, 395, 360)
    assert place.judged.all()
    # The data set's own README tells of 1 and 2, of which the second is change.
    assert 0 < place.changed.mean() < 0.1


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
