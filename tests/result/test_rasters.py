"""Rasters of a result: where their pictures lie."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from rasterio.crs import CRS

from metriccd.kinds import NODATA
from metriccd.raster import Grid
from metriccd.result.rasters import Part, RasterFile, raster_files, raster_layers, view_grid

PLACE = Affine(10, 0, 6e5, 0, -10, 48e5)


@pytest.mark.parametrize("crs", [CRS.from_epsg(32632), None], ids=["utm", "no georeference"])
def test_a_picture_of_a_large_scene_lies_on_it_as_programs_draw_it(crs: CRS | None) -> None:
    transform = Affine.identity() if crs is None else PLACE
    grid = Grid(height=4000, width=6000, transform=transform, crs=crs)
    view = view_grid(grid)
    assert view.width < grid.width
    drawn = Affine.scale(1, -1) if crs is None else PLACE
    assert view.transform @ (0, 0) == drawn @ (0, 0)
    corner = drawn @ (grid.width, grid.height)
    beyond = 10 * grid.width / view.width
    assert view.transform @ (view.width, view.height) == pytest.approx(corner, abs=10 * beyond)
    assert view.transform.e < 0
    assert view.crs == crs


def part(*, known: bool) -> Part:
    """A window with one pixel that is not valid."""
    score = np.array([[0.9, 0.2], [0.7, np.nan]], np.float32)
    change = np.array([[True, False], [True, False]])
    if not known:
        return Part(change=change, score=score)
    kinds = np.array([[4, 6], [1, NODATA]], np.uint8)
    clusters = np.array([[1, 2], [2, NODATA]], np.uint8)
    lean = np.array([[1, 1], [-1, np.nan]], np.float32)
    return Part(change=change, score=score, kinds=kinds, clusters=clusters, lean=lean)


def files(window: Part) -> dict[str, RasterFile]:
    unknown = (np.datetime64("NaT"), np.datetime64("NaT"))
    layers = raster_layers({}, unknown, "irmad", 0.5, "otsu")
    parts = {"kind": window.kinds, "cluster": window.clusters, "direction": window.lean}
    known = [name for name, found in parts.items() if found is not None]
    return dict(raster_files(*layers, known, ["nir down", "red up"]))


def test_a_window_becomes_every_raster_and_only_changed_pixels_have_a_class() -> None:
    window = part(known=True)
    found = {name: file.pixels(window) for name, file in files(window).items()}
    np.testing.assert_array_equal(found["change.tif"], [[[1, 0], [1, NODATA]]])
    np.testing.assert_array_equal(found["kind.tif"], [[[4, 0], [1, NODATA]]])
    np.testing.assert_array_equal(found["cluster.tif"], [[[1, 0], [2, NODATA]]])
    np.testing.assert_array_equal(found["direction.tif"], [[[1, 0], [2, NODATA]]])
    # What they would be with a lower threshold.
    every = found["potential.tif"]
    np.testing.assert_array_equal(every[0], window.kinds)
    np.testing.assert_array_equal(every[1], window.clusters)
    np.testing.assert_array_equal(every[2], [[1, 1], [2, NODATA]])


def test_rasters_name_their_classes_and_color_each() -> None:
    found = files(part(known=True))["cluster.tif"]
    assert found.categories == ["no change", "1: nir down", "2: red up"]
    assert found.layer.tags["cluster_1"] == "1: nir down"
    assert found.layer.nodata == NODATA
    assert len({found.layer.colors[value] for value in range(9)}) == 9


def test_what_is_not_known_has_no_file() -> None:
    assert files(part(known=False)).keys() == {"score.tif", "change.tif"}
