"""Maps on axes: any grid, scale bars that are as long as they say; pyproj is the oracle."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from matplotlib.figure import Figure
from pyproj import Geod
from rasterio.crs import CRS

from metriccd.raster import Grid
from metriccd.result.maps import Place, amount, dated

SHAPE = (300, 500)


def placed(transform: Affine, crs: CRS | None) -> Place:
    return Place(grid=Grid(height=SHAPE[0], width=SHAPE[1], transform=transform, crs=crs))


def drawn(place: Place, shape: tuple[int, int] = SHAPE):
    ax = Figure().add_subplot()
    place.draw(ax, np.arange(shape[0] * shape[1], dtype=float).reshape(shape))
    return ax


def bar(ax) -> tuple[float, str]:
    """Length of the scale bar in units of the axes, and its label."""
    artist = ax.artists[0]
    return artist.size_bar.get_children()[0].get_width(), artist.txt_label.get_text()


def test_a_scale_bar_in_degrees_is_as_long_as_it_says() -> None:
    ax = drawn(placed(Affine(1e-4, 0, -1.7, 0, -1e-4, 48.2), CRS.from_epsg(4326)))
    length, label = bar(ax)
    assert label == "500 m"
    lat = 48.2 - 1e-4 * SHAPE[0] / 2
    _, _, meters = Geod(ellps="WGS84").inv(-1.7, lat, -1.7 + length, lat)
    assert meters == pytest.approx(500, rel=1e-4)
    # A degree of longitude is shorter than one of latitude, and drawn so.
    assert ax.get_aspect() == pytest.approx(1 / np.cos(np.radians(lat)), rel=0.01)
    assert ax.get_xlabel() == "longitude (°), EPSG:4326"


def test_a_scale_bar_in_mercator_knows_that_its_meters_are_short() -> None:
    length, label = bar(drawn(placed(Affine(10, 0, 1e6, 0, -10, 7e6), CRS.from_epsg(3857))))
    assert label == "500 m"
    assert length == pytest.approx(500 / np.cos(np.radians(53)), rel=0.02)


def test_feet_are_named_and_the_bar_is_metric() -> None:
    ax = drawn(placed(Affine(1, 0, 98e4, 0, -1, 19e4), CRS.from_epsg(2263)))
    length, label = bar(ax)
    assert label == "20 m"
    assert length == pytest.approx(20 / 0.3048, rel=1e-3)
    assert ax.get_ylabel() == "northing (ft)"


def test_pixels_are_counted_where_nothing_else_is_known() -> None:
    ax = drawn(placed(Affine.identity(), None))
    assert bar(ax) == (100.0, "100 pixels")
    assert (*ax.get_xlim(), *ax.get_ylim()) == (0, 500, 300, 0)
    assert ax.get_xlabel() == "column (pixels)"


def test_a_turned_grid_is_drawn_by_rows_and_columns_with_a_bar_in_meters() -> None:
    turned = Affine(10, 0, 6e5, 0, -10, 48e5) @ Affine.rotation(20)
    ax = drawn(placed(turned, CRS.from_epsg(32632)))
    length, label = bar(ax)
    assert label == "1 km"
    assert length == pytest.approx(100, rel=2e-3)
    assert ax.get_xlabel() == "column (pixels)"


def test_north_is_up_whichever_row_is_first() -> None:
    ax = drawn(placed(Affine(10, 0, 6e5, 0, 10, 47e5), CRS.from_epsg(32632)))
    bottom, top = ax.get_ylim()
    assert bottom < top
    # The first row is the southernmost.
    assert ax.images[0].get_extent()[3] == 47e5


def test_an_overview_covers_what_its_scene_does() -> None:
    grid = Grid(height=2003, width=3001, transform=Affine(10, 0, 6e5, 0, -10, 48e5), crs=None)
    ax = drawn(Place(grid=grid), (-(-2003 // 3), -(-3001 // 3)))
    left, right, bottom, top = ax.images[0].get_extent()
    assert (left, top) == (6e5, 48e5)
    assert right == 6e5 + 30 * 1001
    assert bottom == 48e5 - 30 * 668
    assert ax.get_xlim() == (6e5, 6e5 + 10 * 3001)


def test_titles_have_the_days_that_are_known() -> None:
    one, other = np.datetime64("2015-08-21T10:56"), np.datetime64("NaT")
    assert dated("Before", one) == "Before, 2015-08-21"
    assert dated("Change", one, other) == "Change"


@pytest.mark.parametrize(
    ("area", "told"), [(None, "1,234 pixels"), (123_400.0, "12.3 ha"), (2.5e8, "250.0 km²")]
)
def test_amounts_are_in_units_that_suit_them(area, told) -> None:
    assert amount(1234, area) == told
