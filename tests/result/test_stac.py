"""Items: dates from the names that producers give their files, and footprints on the globe."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pyproj
import pytest
from affine import Affine
from rasterio.crs import CRS
from shapely.geometry import Point, shape

from metriccd.raster import Grid
from metriccd.result.stac import stac_item


def item(crs, left, top, size, height, width) -> dict[str, Any]:
    transform = Affine(size, 0, left, 0, -size, top)
    grid = Grid(height=height, width=width, transform=transform, crs=CRS.from_user_input(crs))
    return stac_item("x", grid, created=datetime(2024, 1, 1, tzinfo=UTC), taken=(None, None))


def test_an_item_has_the_times_that_are_known_or_none() -> None:
    grid = Grid(height=2, width=2, transform=Affine.identity(), crs=None)
    one, other = datetime(2019, 6, 1, tzinfo=UTC), datetime(2020, 6, 1, tzinfo=UTC)
    found = stac_item("x", grid, created=datetime(2024, 1, 1, tzinfo=UTC), taken=(None, None))
    assert found["properties"]["datetime"] is None
    assert "start_datetime" not in found["properties"]
    found = stac_item("x", grid, created=datetime(2024, 1, 1, tzinfo=UTC), taken=(None, other))
    for end in ("start_datetime", "end_datetime"):
        assert found["properties"][end] == "2020-06-01T00:00:00Z"
    found = stac_item("x", grid, created=datetime(2024, 1, 1, tzinfo=UTC), taken=(other, one))
    assert found["properties"]["start_datetime"] == "2019-06-01T00:00:00Z"
    assert found["properties"]["end_datetime"] == "2020-06-01T00:00:00Z"
    assert "proj:transform" not in found["properties"]


def test_an_ordinary_footprint_is_one_polygon() -> None:
    found = item("EPSG:4326", 10, 45, 0.01, 100, 200)
    assert found["bbox"] == pytest.approx([10, 44, 12, 45])
    assert found["geometry"]["type"] == "Polygon"
    assert len(found["geometry"]["coordinates"][0]) == 5


@pytest.mark.parametrize(
    ("crs", "left", "top", "size"),
    [
        ("EPSG:4326", 179, -17, 0.01),
        ("EPSG:4326", -181, -17, 0.01),
        ("EPSG:3832", 3.2e6, -2e6, 2e3),
    ],
    ids=["east of 180", "west of -180", "pdc mercator"],
)
def test_a_footprint_is_cut_at_the_antimeridian(crs, left, top, size) -> None:
    found = item(crs, left, top, size, 200, 200)
    west, south, east, north = found["bbox"]
    geometry = shape(found["geometry"])
    assert found["geometry"]["type"] == "MultiPolygon"
    assert geometry.is_valid
    assert -180 <= east < 0 < west <= 180
    assert sorted(part.bounds[0] for part in geometry.geoms) == pytest.approx([-180, west])
    assert sorted(part.bounds[2] for part in geometry.geoms) == pytest.approx([east, 180])
    assert geometry.area == pytest.approx((east + 360 - west) * (north - south))


def test_a_footprint_past_the_antimeridian_is_brought_back() -> None:
    found = item("EPSG:4326", 190, 0, 0.1, 10, 20)
    assert found["bbox"] == pytest.approx([-170, -1, -168, 0])
    assert shape(found["geometry"]).bounds == pytest.approx((-170, -1, -168, 0))


def test_the_globe_from_greenwich_is_the_globe() -> None:
    found = item("EPSG:4326", 0, 90, 1, 180, 360)
    assert found["bbox"] == pytest.approx([-180, -90, 180, 90])
    assert shape(found["geometry"]).area == pytest.approx(360 * 180)


@pytest.mark.parametrize(
    ("crs", "pole"), [("EPSG:3031", -90), ("EPSG:3413", 90)], ids=["south", "north"]
)
def test_a_footprint_around_a_pole_reaches_it(crs: str, pole: int) -> None:
    found = item(crs, -2e6, 2e6, 1e4, 400, 400)
    geometry = shape(found["geometry"])
    assert geometry.is_valid
    assert (found["bbox"][0], found["bbox"][2]) == (-180, 180)
    assert pole in (found["bbox"][1], found["bbox"][3])
    for lon in range(-179, 180, 20):
        assert geometry.contains(Point(lon, pole * 0.99))
        assert not geometry.contains(Point(lon, pole * 0.6))


def test_a_crs_without_code_is_written_as_wkt2() -> None:
    wkt = item("+proj=laea +lat_0=50 +lon_0=9 +ellps=WGS84", 0, 0, 10, 20, 20)["properties"][
        "proj:wkt2"
    ]
    assert wkt.startswith("PROJCRS[")
    assert (
        pyproj.CRS.from_wkt(wkt).coordinate_operation.method_name == "Lambert Azimuthal Equal Area"
    )


@pytest.mark.parametrize(
    "crs",
    ['LOCAL_CS["site",LOCAL_DATUM["x",0],UNIT["metre",1]]', "+proj=longlat +a=3396190 +b=3376200"],
    ids=["local", "mars"],
)
def test_a_place_off_the_earth_has_no_footprint(crs: str) -> None:
    assert item(crs, 0, 0, 1, 20, 20)["geometry"] is None
