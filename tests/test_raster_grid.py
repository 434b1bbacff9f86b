"""Grids: lattices, overlaps and areas; pyproj and shapely are the oracles."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from pyproj import Geod
from rasterio.crs import CRS

from metriccd.raster import Grid, Window

UTM = CRS.from_epsg(32632)


def utm(*, x=0.0, y=0.0, size=10.0, height=60, width=80) -> Grid:
    return Grid(
        height=height,
        width=width,
        transform=Affine(size, 0, 600_000 + x, 0, -size, 4_800_000 - y),
        crs=UTM,
    )


def test_windows_cover_every_pixel_once() -> None:
    grid, count = utm(height=70, width=33), np.zeros((70, 33), int)
    for window in grid.windows(16):
        count[window.slices] += 1
    assert (count == 1).all()


def test_a_cropped_grid_keeps_its_pixels_in_place() -> None:
    grid = utm()
    crop = grid.crop(Window(row=5, col=7, height=10, width=11))
    assert crop.transform @ (0, 0) == grid.transform @ (7, 5)
    assert crop.offset_in(grid) == (5, 7)


@pytest.mark.parametrize(
    ("other", "offset"),
    [
        (utm(x=30, y=50), (5, 3)),
        (utm(x=-30, y=-50), (-5, -3)),
        (utm(x=34), None),
        (utm(size=10.01), None),
        (utm(x=0.005), (0, 0)),
    ],
)
def test_only_grids_on_one_lattice_have_an_offset(other: Grid, offset) -> None:
    assert other.offset_in(utm()) == offset


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (utm(), Window(row=0, col=0, height=60, width=80)),
        (utm(x=100, y=200), Window(row=20, col=10, height=40, width=70)),
        (utm(x=-100, y=-200), Window(row=0, col=0, height=40, width=70)),
        (utm(x=4, y=4, height=10, width=10), Window(row=0, col=0, height=11, width=11)),
        (utm(x=100_000), None),
        (utm(x=800), None),
    ],
)
def test_the_overlap_is_the_window_that_holds_the_other_image(other: Grid, expected) -> None:
    assert utm().overlap(other) == expected


def test_the_overlap_is_found_across_crs() -> None:
    degrees = Grid(
        height=100,
        width=100,
        transform=Affine(1e-4, 0, 10.24, 0, -1e-4, 43.345),
        crs=CRS.from_epsg(4326),
    )
    overlap = utm(height=1000, width=1000).overlap(degrees)
    assert overlap is not None
    # 0.01° of longitude at 43.3° is 811 m, of latitude 1111 m; the meridians are tilted.
    assert overlap.width == pytest.approx(82, abs=3)
    assert overlap.height == pytest.approx(112, abs=3)


def test_projected_areas_are_the_square_of_the_pixel() -> None:
    areas = utm(size=10).pixel_areas()
    assert areas is not None
    np.testing.assert_allclose(areas, 100)


def test_feet_are_turned_into_meters() -> None:
    grid = Grid(height=2, width=2, transform=Affine(10, 0, 0, 0, -10, 0), crs=CRS.from_epsg(2263))
    areas = grid.pixel_areas()
    assert areas is not None
    np.testing.assert_allclose(areas, (10 * 1200 / 3937) ** 2, rtol=1e-6)


def test_geographic_areas_add_up_to_the_ellipsoidal_area_of_the_scene() -> None:
    grid = Grid(
        height=500, width=300, transform=Affine(1e-3, 0, 10, 0, -1e-3, 45), crs=CRS.from_epsg(4326)
    )
    areas = grid.pixel_areas()
    assert areas is not None
    lons = [10, 10.3, 10.3, 10]
    lats = [45, 45, 44.5, 44.5]
    expected = abs(Geod(ellps="WGS84").polygon_area_perimeter(lons, lats)[0])
    assert areas.sum() * 300 == pytest.approx(expected, rel=1e-4)
    assert areas[0] < areas[-1]


def test_areas_without_crs_are_unknown() -> None:
    grid = Grid(height=2, width=2, transform=Affine.identity(), crs=None)
    assert grid.pixel_areas() is None
    assert grid.footprint() is None
    assert not grid.georeferenced
