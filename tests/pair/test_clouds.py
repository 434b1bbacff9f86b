"""Clouds: what the extra's network finds is left out; without it one line says what to install."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
from scipy.ndimage import gaussian_filter

from metriccd.errors import DataError
from metriccd.pair.pair import read_pair
from metriccd.raster import Window
from raster_files import image, write

SHAPE = (776, 718)


def opacity() -> np.ndarray:
    """Of clouds as noise makes them: billows, rims, holes."""
    random = np.random.default_rng(3)
    broad, fine = (gaussian_filter(random.normal(size=SHAPE), size) for size in (30, 6))
    billows = broad / broad.std() + 0.25 * fine / fine.std()
    return np.clip((billows - 0.9) * 1.2, 0, 1)


def cloudy(folder: Path, out: Path) -> Path:
    """A Sentinel-2 folder with bright clouds over it, in all bands alike."""
    out.mkdir()
    for file in sorted(folder.glob("*.tif")):
        with rasterio.open(file) as source:
            profile, pixels = source.profile, source.read()
        places = (
            np.minimum(np.arange(count) * most // count, most - 1)
            for count, most in zip(pixels.shape[1:], SHAPE, strict=True)
        )
        share = opacity()[np.ix_(*places)]
        with rasterio.open(out / file.name, "w", **profile) as target:
            target.write(((1 - share) * pixels + share * 5500).astype(profile["dtype"]))
    return out


def test_clouds_on_a_real_date_are_found_and_clear_ground_is_not(
    data: Path, tmp_path: Path
) -> None:
    pytest.importorskip("ukis_csmask.mask", reason="needs the extra 'clouds'")
    folder = data / "oscd/pisa"
    second = cloudy(folder / "imgs_2", tmp_path / "cloudy")
    pair = read_pair(folder / "imgs_1", second, clouds="auto")
    with pair.reader() as read:
        valid = read(Window.whole(pair.grid.shape)).valid
    assert valid[opacity() > 0.5].mean() < 0.1
    assert valid[gaussian_filter(opacity(), 15) < 0.001].mean() > 0.9


def test_without_the_extra_one_line_names_it(data: Path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "ukis_csmask.mask", None)
    folder = data / "oscd/pisa"
    with pytest.raises(DataError, match=r"pip install 'metriccd\[clouds\]'"):
        read_pair(folder / "imgs_1", folder / "imgs_2", clouds="auto")


def test_bands_and_values_that_the_network_does_not_know_are_refused(
    tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr("metriccd.pair.clouds._network", lambda: None)
    files = [write(tmp_path / f"{k}.tif", image(k, bands=4)) for k in (0, 1)]
    with pytest.raises(DataError, match="no band called"):
        read_pair(*files, clouds="auto")
    for path in files:
        with rasterio.open(path, "r+") as target:
            target.write((target.read() % 200).astype(np.uint16) // 100)
            target.descriptions = ("red", "green", "blue", "nir")
    with pytest.raises(DataError, match="reflectance × 10,000"):
        read_pair(*files, clouds="auto")
    with pytest.raises(ValueError, match="by auto, or not"):
        read_pair(*files, clouds="yes")
