"""Rasters of a result: where their pictures lie."""

from __future__ import annotations

import pytest
from affine import Affine
from rasterio.crs import CRS

from metriccd.raster import Grid
from metriccd.result.rasters import view_grid

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
