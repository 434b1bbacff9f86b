"""The globe: areas and sides of its pixels, for any projection, and longitudes, which come around.

Corners are carried to longitudes and latitudes and from there to a chart that keeps areas
exactly: cylindrical between the polar circles, azimuthal around the poles (Snyder 1987, Map
Projections, p. 81 and 187). There the shoelace formula gives the pixel's area.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import pyproj
from affine import Affine
from jaxtyping import Bool, Float, Int64
from rasterio.crs import CRS

# Charts are azimuthal beyond this latitude.
POLAR = np.radians(60.0)
# Side of the cells between whose corners areas are interpolated, if that is this exact.
CELL = 64
EXACT = 2e-5

Points = Float[np.ndarray, "*shape"]


def known(crs: CRS | None) -> bool:
    """Whether a CRS tells areas: of the globe, or of a plane whose unit is a length."""
    if crs is None:
        return False
    return crs.is_geographic or crs.is_projected or _plane_unit(crs) is not None


def pixel_areas(
    crs: CRS, transform: Affine, rows: slice, cols: slice
) -> Float[np.ndarray, "row col"]:
    """Areas of a window's pixels in square meters; 0 off the globe."""
    shape = rows.stop - rows.start, cols.stop - cols.start
    if not (crs.is_geographic or crs.is_projected):
        unit = _plane_unit(crs) or np.nan
        return np.full(shape, abs(transform.determinant) * unit**2)
    if _graticule(crs) and transform.is_rectilinear:
        column = _exact(crs, transform, np.arange(*_span(rows))[:, None], np.array([[cols.start]]))
        return np.broadcast_to(column, shape)
    found = np.empty(shape)
    # Cells lie at multiples of their side, so that areas do not depend on the window.
    lefts = np.arange(cols.start - cols.start % CELL, cols.stop, CELL)
    for top in range(rows.start - rows.start % CELL, rows.stop, CELL):
        strip = _strip(crs, transform, top, lefts)
        first, last = max(top, rows.start), min(top + CELL, rows.stop)
        found[first - rows.start : last - rows.start] = strip[
            first - top : last - top, cols.start - lefts[0] : cols.stop - lefts[0]
        ]
    return found


def steps(crs: CRS, transform: Affine, row: float, col: float) -> tuple[float, float]:
    """Lengths in meters of the ways to the next column and to the next row; NaN off the globe."""
    t = transform
    if not (crs.is_geographic or crs.is_projected):
        unit = _plane_unit(crs) or np.nan
        return math.hypot(t.a, t.d) * unit, math.hypot(t.b, t.e) * unit
    figure = _figure_of(crs)
    cols, rows = np.array([col, col + 1, col]), np.array([row, row, row + 1])
    x, y = t.a * cols + t.b * rows + t.c, t.d * cols + t.e * rows + t.f
    lon, lat = _degrees(figure, x, y)
    radius, square = _figure(figure)
    globe = pyproj.Geod(a=radius, es=square)
    _, _, (across, down) = globe.inv(lon[[0, 0]], lat[[0, 0]], lon[1:], lat[1:])
    return float(across), float(down)


def _span(part: slice) -> tuple[int, int]:
    return part.start, part.stop


def _hats(places: np.ndarray, nodes: np.ndarray) -> Float[np.ndarray, "node place"]:
    """How much each of a few nodes counts at each place, in linear interpolation between them."""
    return np.stack([np.interp(places, nodes, hat) for hat in np.eye(len(nodes))])


# Pixels of a cell, along a side, whose areas are computed, and what every other one of them tells
# of these pixels and of all.
PROBES = np.linspace(0, CELL - 1, 5).round().astype(int)
AMONG, ACROSS = (_hats(places, PROBES[::2]) for places in (PROBES, np.arange(CELL)))


def _strip(
    crs: CRS, transform: Affine, top: int, lefts: Int64[np.ndarray, " cell"]
) -> Float[np.ndarray, "row col"]:
    """Areas of cells side by side, bilinear between nine pixels where this meets others too."""
    count, probes = len(lefts), len(PROBES)
    places = top + PROBES[:, None], (lefts[:, None] + PROBES).reshape(1, -1)
    probed = np.moveaxis(_exact(crs, transform, *places).reshape(probes, count, probes), 1, 0)
    known = probed[:, ::2, ::2]
    fits = np.isclose(AMONG.T @ known @ AMONG, probed, rtol=EXACT, atol=0) & (probed > 0)
    cells = ACROSS.T @ known @ ACROSS
    for number in np.flatnonzero(~fits.all(axis=(1, 2))):
        rows, cols = top + np.arange(CELL)[:, None], lefts[number] + np.arange(CELL)[None]
        cells[number] = _exact(crs, transform, rows, cols)
    strip: Float[np.ndarray, "row col"] = np.moveaxis(cells, 0, 1).reshape(CELL, count * CELL)
    return strip


def _exact(
    crs: CRS, transform: Affine, rows: np.ndarray, cols: np.ndarray
) -> Float[np.ndarray, "row col"]:
    """Areas of pixels by their corners; 0 where one of them is off the globe."""
    rows, cols = np.broadcast_arrays(rows, cols)
    t = transform
    steps = ((0, 0), (0, 1), (1, 1), (1, 0))
    places = [
        (
            t.a * (cols + right) + t.b * (rows + down) + t.c,
            t.d * (cols + right) + t.e * (rows + down) + t.f,
        )
        for down, right in steps
    ]
    figure = _figure_of(crs)
    corners = _degrees(figure, np.stack([x for x, _ in places]), np.stack([y for _, y in places]))
    lon, lat = (np.radians(each) for each in corners)
    with np.errstate(invalid="ignore"):
        lon = lon - lon[:1]
        lon = lon - 2 * np.pi * np.round(lon / (2 * np.pi))
        flat = np.full(lat.shape[1:], _graticule(crs)) | (np.abs(lat).max(axis=0) < POLAR)
        x, y = _charted(figure, lon, _zone(figure, lat), flat)
        across, along = (x[2] - x[0], y[2] - y[0]), (x[3] - x[1], y[3] - y[1])
        found = np.abs(across[0] * along[1] - along[0] * across[1]) / 2
    known: Float[np.ndarray, "row col"] = np.nan_to_num(found, nan=0.0, posinf=0.0)
    return known


def _degrees(crs: pyproj.CRS, x: Points, y: Points) -> tuple[Points, Points]:
    """Longitudes and latitudes on the CRS's own ellipsoid; NaN off the globe."""
    base = crs.geodetic_crs
    if base is None or crs == base:
        unit = np.degrees(crs.axis_info[0].unit_conversion_factor) if crs.axis_info else 1.0
        return x * unit, y * unit
    carry = _to_degrees(crs)
    lon, lat = (np.asarray(each) for each in carry.transform(x, y))
    unit = np.degrees(base.axis_info[0].unit_conversion_factor)
    lost = ~(np.isfinite(lon) & np.isfinite(lat))
    return np.where(lost, np.nan, lon * unit), np.where(lost, np.nan, lat * unit)


def _charted(
    crs: pyproj.CRS, lon: Points, zone: Points, flat: Bool[np.ndarray, "row col"]
) -> tuple[Points, Points]:
    """Corners on a chart that keeps areas, in meters: cylindrical where flat, else azimuthal."""
    radius, _ = _figure(crs)
    whole = _zone(crs, np.array([np.pi / 2]))[0]
    away = np.sqrt(np.maximum(whole - np.abs(zone), 0)) * radius
    x = np.where(flat, lon * radius, away * np.sin(lon))
    y = np.where(flat, zone * radius / 2, away * np.cos(lon))
    return x, y


def _zone(crs: pyproj.CRS, lat: Points) -> Points:
    """Q of Snyder's eq. 3-12: a²/2 · q is the area from the equator to a latitude, per radian."""
    _, square = _figure(crs)
    sine = np.sin(lat)
    if square < 1e-12:
        return np.asarray(2 * sine)
    e = np.sqrt(square)
    ratio = np.log((1 - e * sine) / (1 + e * sine)) / (2 * e)
    zone: Points = (1 - square) * (sine / (1 - square * sine**2) - ratio)
    return zone


def _figure(crs: pyproj.CRS) -> tuple[float, float]:
    """Equatorial radius in meters and squared eccentricity of the ellipsoid."""
    figure = crs.ellipsoid
    if figure is None:
        return 6378137.0, 0.00669437999014
    return figure.semi_major_metre, 1 - (figure.semi_minor_metre / figure.semi_major_metre) ** 2


@lru_cache(maxsize=16)
def _figure_of(crs: CRS) -> pyproj.CRS:
    """The CRS as PROJ has it."""
    return pyproj.CRS.from_user_input(crs)


@lru_cache(maxsize=16)
def _to_degrees(crs: pyproj.CRS) -> pyproj.Transformer:
    return pyproj.Transformer.from_crs(crs, crs.geodetic_crs, always_xy=True)


def _graticule(crs: CRS) -> bool:
    """Whether coordinates are longitudes and latitudes themselves, not those of a turned pole."""
    return bool(crs.is_geographic) and not _figure_of(crs).is_derived


def _plane_unit(crs: CRS) -> float | None:
    """Meters in the unit of a plane that nothing ties to the Earth (an engineering CRS)."""
    figure = _figure_of(crs)
    if not figure.is_engineering or len(figure.axis_info) < 2:
        return None
    axis = figure.axis_info[0]
    return axis.unit_conversion_factor or None


# A hair of a circle: an edge that rounding moved beyond another one does not overlap it.
HAIR = 1e-11


def circle_of(crs: CRS | None) -> float | None:
    """A full turn in the unit of a CRS of longitudes and latitudes; None for any other."""
    if crs is None or not crs.is_geographic:
        return None
    axes = _figure_of(crs).axis_info
    return 2 * math.pi / axes[0].unit_conversion_factor if axes else 360.0


def turns(inner: tuple[float, float], outer: tuple[float, float], circle: float) -> list[float]:
    """What to add to `inner`, a range of longitudes, so that it meets `outer`: full turns.

    Several, where it meets both ends; no more than two globes of it are ever needed.
    """
    first = math.ceil((outer[0] - inner[1]) / circle + HAIR)
    last = math.floor((outer[1] - inner[0]) / circle - HAIR)
    return [circle * number for number in sorted(range(first, last + 1), key=abs)]


def eastward(
    longitudes: Float[np.ndarray, " point"], west: float, circle: float
) -> Float[np.ndarray, " point"]:
    """The same longitudes less than a turn east of `west`; a hair west of it is no turn."""
    hair = circle * HAIR
    turned: Float[np.ndarray, " point"] = west + (longitudes - west + hair) % circle - hair
    return turned
