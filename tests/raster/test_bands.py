"""Names of bands: one table of sensors, any case, colors and wavelengths."""

from __future__ import annotations

from pathlib import Path

import pytest
import rasterio
from rasterio.enums import ColorInterp

from metriccd.errors import DataError
from metriccd.pair import read_pair
from metriccd.raster import open_raster
from raster_files import image, write


def stack(path: Path, names=(), *, seed=0, colors=None, bands=None):
    write(path, image(seed, bands=bands or len(names)))
    with rasterio.open(path, "r+") as target:
        for index, name in enumerate(names, start=1):
            target.set_band_description(index, name)
        if colors:
            target.colorinterp = colors
    return path


@pytest.mark.parametrize(
    ("file", "names", "expected"),
    [
        ("S2A_MSIL2A_20200101", ["B2", "B3", "B4", "B8", "B11"], [3, 4, 5]),
        ("LC08_L2SP_199030", ["SR_B2", "SR_B3", "SR_B4", "SR_B5", "SR_B6"], [3, 4, 5]),
        ("LT05_L2SP_199030", ["SR_B1", "SR_B2", "SR_B3", "SR_B4", "SR_B5"], [3, 4, 5]),
        ("LE07_L1TP_199030", ["B1", "B2", "B3", "B4", "B5"], [3, 4, 5]),
        ("HLS.L30.T17SLU.2020209T155956", ["B02", "B03", "B04", "B05", "B06"], [3, 4, 5]),
        ("HLS.S30.T17SLU.2020209T155956", ["B02", "B03", "B04", "B08", "B11"], [3, 4, 5]),
        ("any", ["Blue", "GREEN", "Red", "NIR", "SWIR 1"], [3, 4, 5]),
        ("any", ["480 nm", "560 nm", "660 nm", "840 nm", "1610 nm"], [3, 4, 5]),
    ],
)
def test_colors_are_found_on_every_sensor(tmp_path, file, names, expected) -> None:
    raster = open_raster(stack(tmp_path / f"{file}.tif", names))
    found = raster.select(["red", "NIR", "swir1"]).bands
    assert [band.index for band in found] == expected


@pytest.mark.parametrize(
    ("file", "bands", "red", "nir"),
    [
        ("20190601_102030_1003_3B_AnalyticMS", 4, 3, 4),
        ("20210601_102030_10_2461_3B_AnalyticMS_SR_8b", 8, 6, 8),
        ("m_3807511_se_18_060_20181104", 4, 1, 4),
    ],
)
def test_a_known_order_of_unnamed_bands_is_taken_and_said(tmp_path, file, bands, red, nir) -> None:
    raster = open_raster(stack(tmp_path / f"{file}.tif", bands=bands))
    assert [band.index for band in raster.select(["red", "nir"]).bands] == [red, nir]
    assert "--band-names" in raster.notes[0]


def test_a_stack_of_numbered_bands_is_not_taken_for_sentinel2(tmp_path: Path) -> None:
    names = [f"B{number}" for number in range(1, 12)]
    paths = [stack(tmp_path / f"{seed}.tif", names, seed=seed) for seed in (0, 1)]
    pair = read_pair(*paths)
    assert [band.name for band in pair.t1.bands] == names
    assert any("--rgb or --band-names" in line for line in pair.warnings)


def test_names_that_are_given_replace_what_the_file_says_of_colors(tmp_path: Path) -> None:
    colors = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
    paths = [stack(tmp_path / f"{seed}.tif", bands=3, seed=seed, colors=colors) for seed in (0, 1)]
    assert read_pair(*paths).rgb == (0, 1, 2)
    pair = read_pair(*paths, band_names="swir1,nir,green", bands="green,nir")
    assert [band.index for band in pair.t1.bands] == [3, 2]
    with pytest.raises(DataError, match=r"--band-names must name every band: .* has 3, got 2"):
        read_pair(*paths, band_names="nir,green")


def test_names_are_given_to_the_image_that_has_none(tmp_path: Path) -> None:
    one = stack(tmp_path / "a.tif", ["red", "green", "blue"])
    other = stack(tmp_path / "b.tif", bands=3, seed=1)
    pair = read_pair(one, other, band_names="blue,green,red")
    assert [band.index for band in pair.t1.bands] == [1, 2, 3]
    assert [band.index for band in pair.t2.bands] == [3, 2, 1]


@pytest.mark.parametrize(
    ("one", "other", "order"),
    [
        (["Red", "GREEN", "blue"], ["BLUE", "green", "red"], [3, 2, 1]),
        (["660 nm", "560 nm", "480 nm"], ["0.48 um", "0.56 um", "0.66 um"], [3, 2, 1]),
        (["661 nm", "720 nm", "1010 nm"], ["1011 nm", "660 nm", "721 nm"], [2, 3, 1]),
    ],
)
def test_bands_are_compared_by_what_the_files_tell(tmp_path, one, other, order) -> None:
    pair = read_pair(stack(tmp_path / "a.tif", one), stack(tmp_path / "b.tif", other, seed=1))
    assert [band.index for band in pair.t2.bands] == order


def test_the_same_name_of_two_sensors_is_not_the_same_band(tmp_path: Path) -> None:
    one = stack(tmp_path / "LT05_L1TP_1.tif", ["B1", "B2", "B3", "B4"])
    other = stack(tmp_path / "LC08_L1TP_1.tif", ["B2", "B3", "B4", "B5"], seed=1)
    assert [band.name for band in read_pair(one, other).t2.bands] == ["B2", "B3", "B4", "B5"]
    with pytest.raises(DataError, match="--bands blue,green,red,nir"):
        read_pair(one, stack(tmp_path / "LC09_L1TP_1.tif", ["B1", "B2", "B3", "B4", "B5"], seed=1))


def test_alpha_is_compared_where_it_is_named_and_questioned_where_it_is_measured(tmp_path) -> None:
    colors = (ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha)
    path = stack(tmp_path / "a.tif", bands=4, colors=colors)
    raster = open_raster(path)
    assert len(raster.bands) == 3
    assert "--bands 1,2,3,4" in raster.notes[0]
    chosen = raster.select(["1", "2", "3", "4"])
    assert [band.index for band in chosen.bands] == [1, 2, 3, 4]
    assert not chosen.notes
    assert all(band.mask is None for band in chosen.bands)


def test_names_that_users_give_must_differ(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="--band-names must differ: got red twice"):
        open_raster(write(tmp_path / "a.tif", image(0))).renamed(["red", "Red ", "nir"])
