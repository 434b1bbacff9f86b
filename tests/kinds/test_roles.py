"""Roles of bands, from what files say of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio

from metriccd.kinds import roles_of
from metriccd.raster import open_raster


def named(path: Path, names: list[str]) -> Path:
    with rasterio.open(
        path, "w", driver="GTiff", height=8, width=8, count=len(names), dtype="uint8"
    ) as target:
        target.write(np.zeros((len(names), 8, 8), np.uint8))
        for index, name in enumerate(names, start=1):
            target.set_band_description(index, name)
    return path


def test_names_tell_roles(tmp_path: Path) -> None:
    raster = open_raster(named(tmp_path / "a.tif", ["SWIR1", "nir", "Green", "thermal"]))
    assert roles_of(raster, (0, 1, 2)) == {"swir1": 0, "nir": 1, "green": 2}


def test_names_of_sentinel2_tell_roles(tmp_path: Path) -> None:
    raster = open_raster(named(tmp_path / "a.tif", ["B4", "B03", "B8A", "B11", "B08"]))
    assert roles_of(raster, (0, 1, 2)) == {"red": 0, "green": 1, "nir": 4, "swir1": 3}


def test_three_bands_without_names_pass_for_colors(tmp_path: Path) -> None:
    raster = open_raster(named(tmp_path / "a.tif", ["", "", ""]))
    assert roles_of(raster, (2, 1, 0)) == {"red": 2, "green": 1, "blue": 0}
    four = open_raster(named(tmp_path / "b.tif", ["", "", "", ""]))
    assert not roles_of(four, (0, 1, 2)).keys() & {"nir", "swir1"}
