"""Grids: lattices, overlaps and areas; pyproj and shapely are the oracles."""

from __future__ import annotations

import numpy as np
import pyproj
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


def all_areas(grid: Grid) -> np.ndarray:
    areas = grid.pixel_areas(Window.whole(grid.shape))
    assert areas is not None
    return areas


def geodesic_area(grid: Grid, row: int, col: int) -> float:
    """By pyproj, along edges cut in pieces, which follow the projection's straight lines."""
    side = np.linspace(0, 1, 9)[:-1]
    down = np.concatenate([side * 0, side, side * 0 + 1, 1 - side])
    right = np.concatenate([side, side * 0 + 1, 1 - side, side * 0])
    x, y = grid.transform @ (col + right, row + down)
    figure = pyproj.CRS.from_user_input(grid.crs)
    lons, lats = Transformer.from_crs(figure, figure.geodetic_crs, always_xy=True).transform(x, y)
    return abs(figure.get_geod().polygon_area_perimeter(lons, lats)[0])


def test_feet_are_turned_into_meters() -> None:
    grid = Grid(
        height=2, width=2, transform=Affine(10, 0, 1e6, 0, -10, 2e5), crs=CRS.from_epsg(2263)
    )
    np.testing.assert_allclose(all_areas(grid), (10 * 1200 / 3937) ** 2, rtol=1e-3)


def test_geographic_areas_add_up_to_the_ellipsoidal_area_of_the_scene() -> None:
    grid = Grid(
        height=500, width=300, transform=Affine(1e-3, 0, 10, 0, -1e-3, 45), crs=CRS.from_epsg(4326)
    )
    areas = all_areas(grid)
    lons = [10, 10.3, 10.3, 10]
    lats = [45, 45, 44.5, 44.5]
    expected = abs(Geod(ellps="WGS84").polygon_area_perimeter(lons, lats)[0])
    assert areas.sum() == pytest.approx(expected, rel=1e-4)
    assert areas[0, 0] < areas[-1, 0]


def test_the_ground_is_the_side_of_a_pixel_in_meters_whatever_the_unit_and_the_latitude() -> None:
    assert utm(height=100, width=100).ground == pytest.approx(10, rel=2e-3)
    degrees = Affine(1e-4, 0, 10, 0, -1e-4, 60)
    grid = Grid(height=100, width=100, transform=degrees, crs=CRS.from_epsg(4326))
    # A ten thousandth of a degree at 60° is 5.6 m wide and 11.1 m high.
    assert grid.ground == pytest.approx(np.sqrt(5.6 * 11.1), rel=1e-2)
    assert Grid(height=2, width=2, transform=Affine.identity(), crs=None).ground is None


def test_areas_without_crs_are_unknown() -> None:
    grid = Grid(height=2, width=2, transform=Affine.identity(), crs=None)
    assert grid.pixel_areas(Window.whole(grid.shape)) is None
    assert grid.footprint() is None
    assert not grid.has_areas
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


GEOSTATIONARY = "+proj=geos +h=35785831 +lon_0=0 +sweep=y +ellps=GRS80 +units=m"


@pytest.mark.parametrize(
    ("crs", "left", "top", "size"),
    [
        ("EPSG:32632", 100_000, 7.0e6, 10),
        ("EPSG:32632", 830_000, 1.0e5, 10),
        ("EPSG:3857", 1e6, 1.2e7, 300),
        ("EPSG:3395", 1e6, 8.4e6, 300),
        ("EPSG:3031", -1e5, 3e6, 500),
        ("EPSG:3413", -1e5, 1e5, 500),
        ("EPSG:3035", 2e6, 5.3e6, 1000),
        ("EPSG:2154", 1e5, 7.1e6, 100),
        ("EPSG:5070", -2e6, 3e6, 1000),
        (GEOSTATIONARY, -4.5e6, 3.2e6, 3000),
        ("EPSG:4326", 20, 89.9, 0.0005),
        ("+proj=ob_tran +o_proj=longlat +o_lon_p=-162 +o_lat_p=39.25 +lon_0=18", 0, 20, 0.02),
    ],
)
def test_the_area_of_every_pixel_is_the_geodesic_one(crs, left, top, size) -> None:
    grid = made(crs, left, top, size, 200, 300)
    areas = all_areas(grid)
    for row, col in ((0, 0), (0, 299), (63, 64), (100, 150), (199, 3), (199, 299)):
        expected = geodesic_area(grid, row, col)
        if np.isfinite(expected):
            assert areas[row, col] == pytest.approx(expected, rel=2e-4)
        else:
            assert areas[row, col] == 0


def test_areas_do_not_depend_on_the_window() -> None:
    grid = made("EPSG:32632", 100_000, 7.0e6, 10, 200, 300)
    part = grid.pixel_areas(Window(row=37, col=81, height=40, width=100))
    np.testing.assert_array_equal(part, all_areas(grid)[37:77, 81:181])


def test_a_pixel_off_the_globe_has_no_area() -> None:
    areas = all_areas(made(GEOSTATIONARY, -5.6e6, 5.6e6, 1e5, 112, 112))
    assert areas[0, 0] == 0
    assert areas[56, 56] == pytest.approx(1e10, rel=2e-2)


def test_the_areas_of_the_globe_add_up() -> None:
    areas = all_areas(made("EPSG:4326", -180, 90, 1, 180, 360))
    # Surface of the WGS 84 ellipsoid: 4π times the square of its authalic radius 6371007.181 m.
    assert areas.sum() == pytest.approx(4 * np.pi * 6371007.181**2, rel=1e-6)


def test_a_plane_of_meters_has_planar_areas() -> None:
    assert (all_areas(made(LOCAL, 0, 0, 0.5, 3, 3)) == 0.25).all()


def test_areas_of_a_crs_that_tells_no_length_are_unknown() -> None:
    grid = Grid(height=2, width=2, transform=Affine.scale(2), crs=CRS.from_epsg(4978))
    assert grid.pixel_areas(Window.whole(grid.shape)) is None
    assert not grid.has_areas
    assert grid.footprint() is None


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (-80, 280, (0, 192)),
        (280, -80, (0, 192)),
        (179.9, -180.1, (0, 192)),
        (-180.1, 179.9, (0, 192)),
        (-80, 280 + 9.6, (96, 96)),
    ],
)
def test_longitudes_of_another_turn_are_the_same_place(one, other, expected) -> None:
    first, second = (made("EPSG:4326", west, 40, 0.1, 192, 192) for west in (one, other))
    overlap = first.overlap(second)
    assert overlap is not None
    assert (overlap.col, overlap.width) == expected


def test_a_globe_from_greenwich_lies_on_a_globe_from_the_date_line_in_two_turns() -> None:
    one, other = (made("EPSG:4326", west, 90, 1, 180, 360) for west in (-180, 0))
    assert one.overlap(other) == Window.whole((180, 360))
    assert sorted(one.turns_of(other)) == [-360, 0]
    assert sorted(other.turns_of(one)) == [0, 360]


def test_a_box_is_found_whichever_turn_its_longitudes_are_of() -> None:
    east = Grid(height=20, width=360, transform=Affine(1, 0, 0, 0, -1, 10), crs=CRS.from_epsg(4326))
    for west in (-170, 190):
        found = east.window_of((west, -5, west + 30, 5))
        assert found == Window(row=5, col=190, height=10, width=30)
    both = east.window_of((-10, -5, 200, 5))
    assert both == Window(row=5, col=0, height=10, width=360)


@pytest.mark.parametrize("code", [4326, 3857, 32632, 2263, 3035])
def test_sides_of_a_pixel_are_those_of_the_ellipsoid_and_agree_with_its_area(code) -> None:
    step = 1e-4 if code == 4326 else 10.0
    x, y = Transformer.from_crs(4326, code, always_xy=True).transform(8.5, 47.5)
    grid = Grid(
        height=60, width=80, transform=Affine(step, 0, x, 0, -step, y), crs=CRS.from_epsg(code)
    )
    across, down = grid.sides
    assert across * down == pytest.approx(grid.pixel_area, rel=1e-3)
    back = Transformer.from_crs(code, 4326, always_xy=True)
    ends = [back.transform(*(grid.transform @ (40 + col, 30))) for col in (0, 1)]
    assert across == pytest.approx(Geod(ellps="WGS84").inv(*ends[0], *ends[1])[2], rel=1e-3)


def test_sides_are_unknown_without_a_crs() -> None:
    grid = Grid(height=6, width=8, transform=Affine.identity(), crs=None)
    assert grid.sides is None
