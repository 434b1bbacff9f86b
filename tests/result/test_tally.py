"""Counting a result window by window gives what counting it whole gives."""

from __future__ import annotations

import numpy as np
from affine import Affine
from rasterio.crs import CRS

from metriccd.raster import Grid, Window
from metriccd.result.tally import CELL, Census, Places

SHAPE = (200, 330)
LABELS = np.random.default_rng(3).integers(0, 4, SHAPE).astype(np.uint8)
LABELS[:3] = 255
GRID = Grid(
    height=200, width=330, transform=Affine(10, 0, 6e5, 0, -10, 48e5), crs=CRS.from_epsg(32632)
)


def test_a_census_by_windows_is_that_of_the_whole() -> None:
    whole, parts = Census(), Census()
    whole.add(LABELS, GRID.pixel_areas(Window.whole(SHAPE)))
    for window in GRID.windows(64):
        parts.add(LABELS[window.slices], GRID.pixel_areas(window))
    np.testing.assert_array_equal(parts.pixels, whole.pixels)
    np.testing.assert_allclose(parts.area, whole.area)
    assert parts.pixels.sum() == LABELS.size
    np.testing.assert_allclose(parts.area[1] / parts.pixels[1], 100, rtol=1e-2)


def test_the_densest_cell_is_where_most_of_a_cluster_lies() -> None:
    labels = LABELS.copy()
    labels[70:120, 200:250] = 5
    places = Places.of(SHAPE)
    for window in GRID.windows(50):
        places.add(window, labels[window.slices])
    assert places.densest(5) == (CELL, 3 * CELL)
    assert places.densest(8) is None
    inside = labels[CELL : 2 * CELL, 3 * CELL : 4 * CELL] == 5
    assert places.counts[4].max() == inside.sum()


def test_cells_of_a_large_scene_are_cells_of_its_overview() -> None:
    places = Places.of((3000, 2000))
    assert places.side == 3 * CELL
    window = Window(row=1990, col=1000, height=5, width=5)
    places.add(window, np.full((5, 5), 2, np.uint8))
    assert places.densest(2) == (1990 // (3 * CELL) * CELL, 1000 // (3 * CELL) * CELL)
