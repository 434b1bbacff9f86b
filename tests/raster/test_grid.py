"""Grids: lattices, overlaps and areas; pyproj and shapely are the oracles."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from pyproj import Geod, Transformer
from rasterio.crs import CRS

from metriccd.errors import GridError
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


LOCAL = CRS.from_wkt('LOCAL_CS["site",LOCAL_DATUM["x",0],UNIT["metre",1]]')


def made(crs, left, top, size, height, width) -> Grid:
    transform = Affine(size, 0, left, 0, -size, top)
    return Grid(height=height, width=width, transform=transform, crs=CRS.from_user_input(crs))


@pytest.mark.parametrize("west", [-180, 0])
def test_the_globe_holds_all_of_an_image_in_another_crs(west: int) -> None:
    europe = made("EPSG:3035", 2.5e6, 5.4e6, 30_000, 120, 120)
    globe = made("EPSG:4326", west, 90, 1, 180, 360)
    assert europe.overlap(globe) == Window(row=0, col=0, height=120, width=120)


def test_the_overlap_holds_the_pole_that_an_outline_goes_around() -> None:
    south = made("EPSG:4326", -180, -50, 0.5, 80, 720)
    polar = made("EPSG:3031", -3e6, 3e6, 10_000, 600, 600)
    overlap = south.overlap(polar)
    assert overlap is not None
    # The square's corners reach 52.3° S, its sides 62.9° S.
    assert (overlap.row + overlap.height, overlap.width) == (80, 720)
    assert 0 < overlap.row <= 4


def test_far_images_in_two_crs_do_not_overlap() -> None:
    assert utm().overlap(made("EPSG:3031", -3e6, 3e6, 10_000, 600, 600)) is None
    assert utm().overlap(made("EPSG:4326", 100, -10, 0.1, 100, 100)) is None


def test_a_grid_beyond_the_globe_overlaps_with_what_is_on_it() -> None:
    disk = made("EPSG:3035", -2e7, 2e7, 1e5, 400, 400)
    overlap = disk.overlap(made("EPSG:4326", 0, 60, 0.1, 100, 100))
    assert overlap is not None
    assert overlap.height < 40


def test_unrelated_crs_are_an_error_of_one_line() -> None:
    site = Grid(height=9, width=9, transform=Affine.scale(2), crs=LOCAL)
    with pytest.raises(GridError, match="the CRSs of the images must relate"):
        utm().overlap(site)


@pytest.mark.parametrize(
    ("crs", "left", "top"),
    [("EPSG:3857", 1e6, 8.4e6), ("EPSG:3395", 1e6, 8.4e6), ("EPSG:3031", -1e5, 3e6)],
    ids=["web mercator", "mercator", "polar stereographic"],
)
def test_areas_are_ellipsoidal_where_the_projection_stretches_them(crs, left, top) -> None:
    grid = made(crs, left, top, 300, 400, 50)
    areas = grid.pixel_areas()
    assert areas is not None
    geod = Geod(ellps="WGS84")
    to_degrees = Transformer.from_crs(crs, 4326, always_xy=True)
    for row in (0, 200, 399):
        corners = [(25, row), (26, row), (26, row + 1), (25, row + 1)]
        lons, lats = to_degrees.transform(*zip(*(grid.transform @ c for c in corners), strict=True))
        expected = abs(geod.polygon_area_perimeter(lons, lats)[0])
        assert areas[row] == pytest.approx(expected, rel=1e-5)


def test_the_areas_of_the_globe_add_up() -> None:
    areas = made("EPSG:4326", -180, 90, 1, 180, 360).pixel_areas()
    assert areas is not None
    # Surface of the WGS 84 ellipsoid: 4π times the square of its authalic radius 6371007.181 m.
    assert areas.sum() * 360 == pytest.approx(4 * np.pi * 6371007.181**2, rel=1e-4)


@pytest.mark.parametrize("crs", ["EPSG:3035", "EPSG:5070", "EPSG:6933"])
def test_equal_area_projections_keep_planar_areas(crs: str) -> None:
    areas = made(crs, 1e6, 2e6, 1000, 300, 300).pixel_areas()
    assert areas is not None
    np.testing.assert_array_equal(areas, 1e6)


@pytest.mark.parametrize("crs", [LOCAL, CRS.from_epsg(4978)], ids=["local", "geocentric"])
def test_areas_of_a_crs_that_is_no_map_are_unknown(crs: CRS) -> None:
    grid = Grid(height=2, width=2, transform=Affine.scale(2), crs=crs)
    assert grid.pixel_areas() is None
    assert grid.footprint() is None
