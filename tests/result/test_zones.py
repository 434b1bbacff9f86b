"""Zones: shares that shapely and plain counting find."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pytest
from affine import Affine
from rasterio.crs import CRS
from rasterio.features import geometry_mask
from shapely.geometry import Point, box

import metriccd as mcd
from metriccd.errors import DataError
from metriccd.raster import Grid, Window
from metriccd.result.zones import changed_in, read_zones
from raster_files import write

UTM = Grid(
    height=60, width=80, transform=Affine(10, 0, 6e5, 0, -10, 48e5), crs=CRS.from_epsg(32632)
)
RNG = np.random.default_rng(2)
SCORE = RNG.random((60, 80)).astype(np.float32)
SCORE[:, 70:] = np.nan
CHANGE = SCORE > 0.8
SHAPES = [
    box(600_000, 4_799_700, 600_300, 4_800_000),
    box(600_300, 4_799_700, 600_500, 4_800_000),  # beside it
    Point(600_300, 4_799_800).buffer(120),  # over both
    box(600_750, 4_799_500, 600_790, 4_799_900),  # without data
    box(500_000, 4_700_000, 500_100, 4_700_100),  # elsewhere
]


def read(window) -> tuple[np.ndarray, np.ndarray]:
    return CHANGE[window.slices], SCORE[window.slices]


def test_shares_are_those_of_the_pixels_in_each_zone() -> None:
    zones = gpd.GeoDataFrame({"name": list("abcde")}, geometry=SHAPES, crs=32632)
    found = changed_in(zones, read, UTM)
    assert found.name.tolist() == list("abcde")
    areas = UTM.pixel_areas(Window.whole(UTM.shape))
    for row, shape in zip(found.itertuples(), SHAPES, strict=True):
        inside = geometry_mask([shape], UTM.shape, UTM.transform, invert=True)
        valid = inside & ~np.isnan(SCORE)
        assert row.valid_pixels == valid.sum()
        assert row.changed_pixels == (valid & CHANGE).sum()
        assert row.valid_m2 == pytest.approx(areas[valid].sum())
        assert row.changed_m2 == pytest.approx(areas[valid & CHANGE].sum())
        if valid.any():
            assert row.changed_share == pytest.approx(CHANGE[valid].mean(), rel=1e-4)
        else:
            assert np.isnan(row.changed_share)


def test_zones_in_another_crs_are_brought_over(tmp_path: Path) -> None:
    gpd.GeoDataFrame(geometry=SHAPES[:3], crs=32632).to_crs(4326).to_file(tmp_path / "z.geojson")
    found = changed_in(read_zones(str(tmp_path / "z.geojson"), UTM), read, UTM)
    expected = changed_in(gpd.GeoDataFrame(geometry=SHAPES[:3], crs=32632), read, UTM)
    np.testing.assert_allclose(found.changed_share, expected.changed_share, atol=0.03)


@pytest.mark.filterwarnings("error")
def test_of_a_file_with_styles_or_tables_the_layer_of_shapes_is_taken(tmp_path: Path) -> None:
    zones = gpd.GeoDataFrame({"name": list("abcde")}, geometry=SHAPES, crs=32632)
    table = pd.DataFrame({"style": ["red"]})
    pyogrio.write_dataframe(table, tmp_path / "zones.gpkg", layer="styles")
    zones.to_file(tmp_path / "zones.gpkg", layer="places", engine="pyogrio")
    assert read_zones(str(tmp_path / "zones.gpkg"), UTM).name.tolist() == list("abcde")


@pytest.mark.parametrize("case", ["missing", "text", "points", "no crs"])
def test_what_is_no_zones_is_refused(tmp_path: Path, case: str) -> None:
    path = tmp_path / "z.gpkg"
    if case == "text":
        path.write_text("no polygons")
    elif case == "points":
        gpd.GeoDataFrame(geometry=[Point(0, 0)], crs=32632).to_file(path)
    elif case == "no crs":
        gpd.GeoDataFrame(geometry=SHAPES[:1]).to_file(path)
    with pytest.raises(DataError, match="--zones"):
        read_zones(str(path), UTM)


def test_a_result_holds_the_table_and_the_layer(tmp_path: Path) -> None:
    one = RNG.integers(900, 1100, (3, 60, 80)).astype(np.uint16)
    other = one.copy()
    other[:, :20, :30] += 3000
    pair = [write(tmp_path / f"{name}.tif", each) for name, each in (("a", one), ("b", other))]
    zones = gpd.GeoDataFrame({"name": list("ab")}, geometry=SHAPES[:2], crs=32632)
    zones.to_file(tmp_path / "zones.gpkg")
    out = mcd.detect(*pair, method="cva").save(tmp_path / "out", zones=tmp_path / "zones.gpkg")
    layer = gpd.read_file(out / "change.gpkg", layer="zones")
    lines = (out / "zones.csv").read_text().splitlines()
    assert lines[0].split(",")[:2] == ["name", "valid_pixels"]
    assert layer.changed_share.tolist() == pytest.approx([2 / 3, 0])
    assert len(gpd.read_file(out / "change.gpkg", layer="change")) == 1


def test_without_georeference_zones_lie_on_the_image_as_programs_draw_it() -> None:
    grid = Grid(height=UTM.height, width=UTM.width, transform=Affine.identity(), crs=None)
    zones = gpd.GeoDataFrame(geometry=[box(0, -30, 20, 0), box(0, 0, 20, 30)])
    found = changed_in(zones, read, grid)
    valid = ~np.isnan(SCORE[:30, :20])
    assert found.valid_pixels.tolist() == [valid.sum(), 0]
    assert found.changed_pixels[0] == (valid & CHANGE[:30, :20]).sum()
    assert found.changed_share[0] == pytest.approx(CHANGE[:30, :20][valid].mean())
    assert found.valid_m2.isna().all()


def test_columns_that_ours_would_hide_or_a_file_could_not_hold_are_renamed(tmp_path: Path) -> None:
    zones = gpd.GeoDataFrame(
        {"geom": ["a"], "FID": ["x"], "A": [1], "a": [2], "changed_share": [0.5]},
        geometry=[box(0, -10, 10, 0)],
        crs=None,
    )
    path = tmp_path / "zones.geojson"
    path.write_text(zones.to_json())
    found = read_zones(str(path), Grid(height=10, width=10, transform=Affine.identity(), crs=None))
    assert {"geom_2", "FID_2", "A", "a_2", "changed_share_2"} <= set(found.columns)
