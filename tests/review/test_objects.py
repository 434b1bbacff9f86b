"""Objects: what the polygons of a result say, in its pixels."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from rasterio.features import rasterize

from metriccd.errors import DataError
from metriccd.kinds import KINDS
from metriccd.raster import open_raster
from metriccd.review import read_objects
from viewed import copied


@pytest.mark.parametrize("crs", [True, False])
def test_outlines_in_pixels_are_where_the_change_map_says(tmp_path: Path, crs: bool) -> None:
    out = copied(tmp_path, crs=crs)
    objects = read_objects(out, open_raster(out / "score.tif").grid)
    with rasterio.open(out / "change.tif") as dataset:
        change = dataset.read(1) == 1
    drawn = rasterize([(shape, 1) for shape in objects.outlines], out_shape=change.shape)
    assert (drawn == change).all()
    table = gpd.read_file(out / "change.gpkg", layer="change")
    assert objects.pixels.tolist() == table["pixels"].tolist()
    assert objects.in_meters == crs
    assert np.allclose(objects.sizes, table["area_m2"] if crs else table["pixels"])
    assert [objects.kind(place) for place in range(len(objects))] == table["kind"].tolist()
    assert set(objects.kinds) <= {kind.value for kind in KINDS.values()}
    assert (objects.boxes == np.array([shape.bounds for shape in objects.outlines])).all()


def test_parts_are_put_together_in_their_order(tmp_path: Path, monkeypatch) -> None:
    out = copied(tmp_path)
    grid = open_raster(out / "score.tif").grid
    whole = read_objects(out, grid)
    monkeypatch.setattr("metriccd.review.objects.AT_ONCE", 7)
    parts = read_objects(out, grid)
    for name in ("ids", "pixels", "sizes", "score_max", "strength", "kinds", "shapes", "boxes"):
        assert (getattr(parts, name) == getattr(whole, name)).all()


def test_a_result_without_the_columns_is_refused(tmp_path: Path) -> None:
    out = copied(tmp_path)
    grid = open_raster(out / "score.tif").grid
    table = gpd.read_file(out / "change.gpkg", layer="change").drop(columns="strength")
    (out / "change.gpkg").unlink()
    table.to_file(out / "change.gpkg", layer="change")
    with pytest.raises(DataError, match="strength"):
        read_objects(out, grid)
    (out / "change.gpkg").write_bytes(b"SQLite format 3\0 no more")
    with pytest.raises(DataError, match="vector file"):
        read_objects(out, grid)


@pytest.mark.parametrize("lacking", ["geom = NULL", "score_mean = NULL", "score_max = 9e999"])
def test_an_object_that_cannot_be_drawn_or_ordered_is_refused(tmp_path: Path, lacking: str) -> None:
    out = copied(tmp_path)
    with sqlite3.connect(out / "change.gpkg") as base:
        base.create_function("ST_IsEmpty", 1, lambda _: 0)
        for name in ("MinX", "MaxX", "MinY", "MaxY"):
            base.create_function(f"ST_{name}", 1, lambda _: 0.0)
        base.execute(f"UPDATE change SET {lacking} WHERE id = 3")
    with pytest.raises(DataError, match="lacks one"):
        read_objects(out, open_raster(out / "score.tif").grid)
