"""Places: what the page says of where a pixel lies is what PROJ says."""

from __future__ import annotations

import numpy as np
import pyproj
import pytest
from affine import Affine

from metriccd.raster import Grid, crs_of
from metriccd.report.place import LATTICE, Place

NORTH_UP = Affine(10, 0, 600_000, 0, -10, 5_300_000)


def grid(crs: str | None, transform: Affine, shape: tuple[int, int] = (10_980, 10_980)) -> Grid:
    known = None if crs is None else crs_of(crs)
    return Grid(height=shape[0], width=shape[1], transform=transform, crs=known)


def interpolated(place: Place, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
    """Longitudes and latitudes at shares of the scene's sides, as the page finds them."""
    assert place.normals is not None
    at = [np.clip(side * (LATTICE - 1), 0, LATTICE - 1) for side in (rows, cols)]
    first = [np.minimum(side.astype(int), LATTICE - 2) for side in at]
    down, across = (side - low for side, low in zip(at, first, strict=True))
    (top, left), n = first, place.normals
    up = (
        n[top, left] * ((1 - down) * (1 - across))[:, None]
        + n[top, left + 1] * ((1 - down) * across)[:, None]
        + n[top + 1, left] * (down * (1 - across))[:, None]
        + n[top + 1, left + 1] * (down * across)[:, None]
    )
    lon, lat = np.arctan2(up[:, 1], up[:, 0]), np.arctan2(up[:, 2], np.hypot(up[:, 0], up[:, 1]))
    return np.degrees(np.stack([lon, lat]))


@pytest.mark.parametrize(
    ("crs", "transform"),
    [
        ("EPSG:32632", NORTH_UP),
        # Across 180°, and around a pole.
        ("EPSG:32601", Affine(20, 0, 200_000, 0, -20, 7_300_000)),
        ("EPSG:3413", Affine(100, 0, -549_000, 0, -100, 549_000)),
        ("EPSG:3857", Affine(30, 4, 1_500_000, 4, -30, 6_000_000)),
    ],
)
def test_coordinates_between_the_points_are_true_to_the_digits_shown(crs, transform) -> None:
    found = grid(crs, transform)
    place = Place.of(found)
    rows, cols = np.random.default_rng(0).random((2, 4000))
    x, y = transform @ np.array([cols * found.width, rows * found.height])
    lon, lat = pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform(x, y)
    moved = interpolated(place, rows, cols)
    east = (moved[0] - lon + 180) % 360 - 180
    error = np.hypot(east * np.cos(np.radians(lat)), moved[1] - lat)
    assert error.max() < 10.0**-place.digits
    assert place.payload()["normals"][0] == pytest.approx(place.normals[0, 0, 0], abs=1e-9)


def test_a_place_is_told_in_words() -> None:
    place = Place.of(grid("EPSG:32632", NORTH_UP, (512, 512)))
    assert place.crs == "WGS 84 / UTM zone 32N (EPSG:32632)"
    assert place.center == "47.8221° N, 10.3702° E"
    assert place.pixel == "10 m"
    assert place.bar == {"percent": 19.53, "text": "1 km"}
    assert place.tall == 1


def test_degrees_are_told_in_meters_and_pixels_get_their_height() -> None:
    place = Place.of(grid("EPSG:4326", Affine(1e-4, 0, -1.68, 0, -1e-4, 48.1), (300, 500)))
    assert place.geographic
    assert place.normals is None
    assert place.pixel == "7.45 × 11.1 m (0.0001°)"
    assert place.tall == pytest.approx(1 / np.cos(np.radians(48.1)), rel=0.01)
    assert place.center == "48.0850° N, 1.6550° W"
    assert place.digits == 5


@pytest.mark.parametrize(
    ("crs", "transform", "north"),
    [
        ("EPSG:4326", Affine(1e-4, 0, 10, 0, -1e-4, 48), 0),
        ("EPSG:4326", Affine(0, 1e-4, 10, 1e-4, 0, 48), 90),
        ("EPSG:4326", Affine(1e-4, 0, 10, 0, 1e-4, 48), 180),
    ],
)
def test_north_is_where_latitudes_grow(crs, transform, north: float) -> None:
    assert Place.of(grid(crs, transform, (100, 100))).north == pytest.approx(north, abs=0.01)


def test_north_differs_from_the_top_by_the_convergence_of_meridians() -> None:
    place = Place.of(grid("EPSG:32632", NORTH_UP, (512, 512)))
    convergence = pyproj.Proj("EPSG:32632").get_factors(10.3695, 47.8196).meridian_convergence
    assert place.north == pytest.approx(-convergence, abs=0.01)


def test_nothing_is_made_up_where_nothing_is_known() -> None:
    bare = Place.of(grid(None, Affine.identity(), (20, 30)))
    assert (bare.crs, bare.center, bare.pixel) == (None, None, "unknown")
    assert (bare.transform, bare.step, bare.north, bare.bar) == (None, None, None, None)
    placed = Place.of(grid(None, NORTH_UP, (20, 30)))
    assert placed.center == "x 600,150.00, y 5,299,900.00"
    assert (placed.step, placed.north, placed.normals) == (None, None, None)
    assert placed.pixel == "10 units"


def test_off_the_globe_nothing_is_said() -> None:
    # A full disk: its corners see space.
    disk = "+proj=geos +h=35785831 +lon_0=0 +sweep=y"
    place = Place.of(grid(disk, Affine(11_000, 0, -5_500_000, 0, -11_000, 5_500_000), (1000, 1000)))
    assert place.normals is not None
    assert place.payload()["normals"][:3] == [None, None, None]
    assert place.center == "0.0000° N, 0.0000° E"
