"""Vector layers: formats read back, styles where a GIS looks for them, lengths as people write."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
from affine import Affine
from rasterio.crs import CRS

import metriccd as mcd
from metriccd.errors import DataError
from metriccd.raster import Grid
from metriccd.result.layers import Products, add_styles, write_polygons
from metriccd.result.polygons import scene_polygons, simplified

UTM = Grid(
    height=60, width=80, transform=Affine(10, 0, 6e5, 0, -10, 48e5), crs=CRS.from_epsg(32632)
)
DEGREES = Grid(
    height=60, width=80, transform=Affine(1e-3, 0, 10, 0, -1e-3, 45), crs=CRS.from_epsg(4326)
)
NOWHERE = Grid(height=60, width=80, transform=Affine.identity(), crs=None)
CHANGE = np.random.default_rng(3).random((60, 80)) > 0.5
SCORE = np.where(CHANGE, 0.75, 0.25).astype(np.float32)


def polygons(grid: Grid) -> gpd.GeoDataFrame:
    return scene_polygons(lambda w: (CHANGE[w.slices], SCORE[w.slices]), grid)


def read_back(path: Path) -> gpd.GeoDataFrame:
    return gpd.read_parquet(path) if path.suffix == ".parquet" else gpd.read_file(path)


@pytest.mark.parametrize("grid", [UTM, NOWHERE], ids=["utm", "no crs"])
@pytest.mark.parametrize("kind", ["gpkg", "geojson", "fgb", "parquet"])
def test_every_format_reads_back(tmp_path: Path, kind: str, grid: Grid) -> None:
    table = polygons(grid)
    write_polygons(table, tmp_path / f"p.{kind}")
    found = read_back(tmp_path / f"p.{kind}").sort_values("id").reset_index(drop=True)
    assert set(found.columns) == set(table.columns)
    np.testing.assert_allclose(found.strength, table.strength, rtol=1e-6)
    if kind == "geojson" and grid.crs:
        assert found.crs == "EPSG:4326"
        found = found.to_crs(grid.crs.to_wkt())
        assert shapely.hausdorff_distance(found.geometry, table.geometry).max() < 0.1
    else:
        assert found.geometry.geom_equals(table.geometry).all()
        # FlatGeobuf may not leave a CRS out: GDAL reads an undefined one.
        assert grid.crs is None or found.crs == grid.crs


def test_gdal_of_debian_opens_the_geopackage_without_a_warning(tmp_path: Path) -> None:
    tool = shutil.which("ogrinfo")
    if tool is None:
        pytest.skip("needs ogrinfo: apt-get install gdal-bin")
    write_polygons(polygons(UTM), tmp_path / "change.gpkg")
    add_styles(tmp_path / "change.gpkg", [("change", "<qgis/>", "<sld/>")])
    told = subprocess.run(
        [tool, "-ro", "-so", "-al", str(tmp_path / "change.gpkg")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stderr == ""
    assert "Layer name: change" in told.stdout


def test_the_geopackage_is_of_an_old_version_and_holds_its_default_style(tmp_path: Path) -> None:
    write_polygons(polygons(UTM), tmp_path / "change.gpkg")
    add_styles(tmp_path / "change.gpkg", [("change", "<qgis/>", "<sld/>")])
    with sqlite3.connect(tmp_path / "change.gpkg") as base:
        assert base.execute("PRAGMA user_version").fetchone() == (10200,)
        row = base.execute(
            "SELECT f_table_name, styleQML, styleSLD, useAsDefault FROM layer_styles"
        ).fetchone()
        (geometry,) = base.execute(
            "SELECT column_name FROM gpkg_geometry_columns WHERE table_name = 'change'"
        ).fetchone()
        (styled,) = base.execute("SELECT f_geometry_column FROM layer_styles").fetchone()
    assert row == ("change", "<qgis/>", "<sld/>", 1)
    assert styled == geometry
    assert len(gpd.read_file(tmp_path / "change.gpkg", layer="change")) == len(polygons(UTM))


def test_parquet_without_pyarrow_says_what_to_install(tmp_path: Path, monkeypatch) -> None:
    def missing(*_: object, **__: object) -> None:
        raise ImportError

    monkeypatch.setattr(gpd.GeoDataFrame, "to_parquet", missing)
    with pytest.raises(DataError, match=r"pip install 'metriccd\[parquet\]'"):
        write_polygons(polygons(UTM), tmp_path / "p.parquet")


@pytest.mark.parametrize(
    ("text", "grid", "units"),
    [
        (0.0, UTM, 0),
        ("1.5px", UTM, 15),
        (2, UTM, 20),
        ("25 m", UTM, 25),
        ("2px", DEGREES, 2e-3),
        ("3px", NOWHERE, 3),
    ],
)
def test_tolerances_are_in_pixels_or_meters(text, grid: Grid, units: float) -> None:
    assert Products.of(simplify=text).tolerance(grid) == pytest.approx(units, rel=1e-3)


def test_meters_in_degrees_are_those_of_the_ground() -> None:
    # A thousandth of a degree at 45°: 111 m by 79 m.
    found = Products.of(simplify="100m").tolerance(DEGREES)
    assert found == pytest.approx(1e-3 * 100 / (111.1 * 78.8) ** 0.5, rel=0.01)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"vector": ["shp"]}, "no format 'shp': choose from gpkg, geojson, parquet, fgb"),
        ({"simplify": "far"}, r"a length such as 1\.5px or 10m: got 'far'"),
        ({"simplify": -1}, "got -1"),
    ],
)
def test_wrong_products_are_refused(wrong, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Products.of(**wrong)
    with pytest.raises(DataError, match=r"--simplify in meters needs a CRS: got 5m"):
        Products.of(simplify="5m").tolerance(NOWHERE)


def test_simplified_outlines_keep_every_object_and_cross_nothing() -> None:
    table = polygons(UTM)
    found = simplified(table, 20.0)
    assert len(found) == len(table)
    assert found.geometry.is_valid.all()
    assert found.geometry.count_coordinates().sum() < 0.8 * table.geometry.count_coordinates().sum()
    one, other = found.sindex.query(found.geometry, predicate="intersects")
    apart = one < other
    shared = shapely.intersection(found.geometry.values[one], found.geometry.values[other])
    assert shapely.area(shared[apart]).max(initial=0) < 1e-6
    np.testing.assert_array_equal(found.area_m2, table.area_m2)
    assert simplified(table, 0) is table


def test_an_out_with_all_formats_is_replaced_by_overwrite(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    one = rng.normal(100, 1, (3, 40, 40))
    other = one.copy()
    other[:, 10:20, 10:20] += 50
    change = mcd.detect(one, other, method="cva")
    change.save(tmp_path / "out", vector=["geojson", "fgb", "parquet"], simplify="2px")
    change.save(tmp_path / "out", overwrite=True)
    assert not (tmp_path / "out/polygons.fgb").exists()
