"""Where pixels lie: a grid of rows and columns in a coordinate reference system."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from affine import Affine
from jaxtyping import Float
from pyproj import Geod
from rasterio.crs import CRS
from rasterio.warp import transform as transform_points

# Points along each edge of a footprint that is carried to another CRS, where edges may bend.
EDGE_POINTS = 64
# Two grids are one when their pixel corners differ by less than this share of a pixel.
SAME_GRID = 1e-3


@dataclass(frozen=True, kw_only=True)
class Window:
    """A rectangle of pixels: first row and column, height and width."""

    row: int
    col: int
    height: int
    width: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Row and column slices of the window in an array of the whole grid."""
        return (
            slice(self.row, self.row + self.height),
            slice(self.col, self.col + self.width),
        )


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A raster's geometry.

    Attributes:
        height: Rows.
        width: Columns.
        transform: From (col, row) of a pixel corner to (x, y) in `crs`; the identity where
            the raster has no georeference.
        crs: Coordinate reference system, or None.
    """

    height: int
    width: int
    transform: Affine
    crs: CRS | None

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.height, self.width

    @property
    def georeferenced(self) -> bool:
        """True where pixels have coordinates, with or without a CRS."""
        return self.crs is not None or self.transform != Affine.identity()

    @property
    def pixel_size(self) -> tuple[float, float]:
        """Length of a pixel's column and row step, in units of the CRS."""
        t = self.transform
        return math.hypot(t.a, t.d), math.hypot(t.b, t.e)

    def crop(self, window: Window) -> Grid:
        """The grid of a window of this one."""
        return Grid(
            height=window.height,
            width=window.width,
            transform=self.transform @ Affine.translation(window.col, window.row),
            crs=self.crs,
        )

    def windows(self, size: int) -> Iterator[Window]:
        """Windows of at most size × size pixels that cover the grid, row by row."""
        for row in range(0, self.height, size):
            for col in range(0, self.width, size):
                yield Window(
                    row=row,
                    col=col,
                    height=min(size, self.height - row),
                    width=min(size, self.width - col),
                )

    def offset_in(self, other: Grid) -> tuple[int, int] | None:
        """(row, col) of this grid's first pixel in `other`, if both share one pixel lattice."""
        if self.crs != other.crs:
            return None
        shift = ~other.transform @ self.transform
        first = (shift.c, shift.f)
        last = shift @ (self.width, self.height)
        col, row = round(first[0]), round(first[1])
        drift = max(
            abs(first[0] - col),
            abs(first[1] - row),
            abs(last[0] - col - self.width),
            abs(last[1] - row - self.height),
        )
        return (row, col) if drift < SAME_GRID else None

    def edge(self, points: int = EDGE_POINTS) -> tuple[list[float], list[float]]:
        """Coordinates (xs, ys) along the outline, in the CRS."""
        side = np.linspace(0.0, 1.0, points)
        cols = np.concatenate([side, np.ones(points), side[::-1], np.zeros(points)]) * self.width
        rows = np.concatenate([np.zeros(points), side, np.ones(points), side[::-1]]) * self.height
        t = self.transform
        return list(t.a * cols + t.b * rows + t.c), list(t.d * cols + t.e * rows + t.f)

    def edge_in(self, crs: CRS) -> tuple[list[float], list[float]]:
        """Coordinates (xs, ys) along the outline, carried to another CRS."""
        xs, ys = self.edge()
        if self.crs is None or self.crs == crs:
            return xs, ys
        moved = transform_points(self.crs, crs, xs, ys)
        return list(moved[0]), list(moved[1])

    def overlap(self, other: Grid) -> Window | None:
        """Window of this grid that holds the outline of `other`, or None without overlap."""
        xs, ys = other.edge_in(self.crs) if self.crs is not None else other.edge()
        seen = np.isfinite(xs) & np.isfinite(ys)
        if not seen.any():
            return None
        t, x, y = ~self.transform, np.asarray(xs)[seen], np.asarray(ys)[seen]
        cols, rows = t.a * x + t.b * y + t.c, t.d * x + t.e * y + t.f
        top, bottom = _inside(rows, self.height)
        left, right = _inside(cols, self.width)
        if bottom <= top or right <= left:
            return None
        return Window(row=top, col=left, height=bottom - top, width=right - left)

    def pixel_areas(self) -> Float[np.ndarray, " row"] | None:
        """Area of one pixel in each row, in square meters.

        Ellipsoidal where the CRS is geographic; None where areas are unknown, because there
        is no CRS.
        """
        if self.crs is None:
            return None
        if self.crs.is_geographic:
            return self._ellipsoidal_areas()
        _, meters = self.crs.linear_units_factor
        area = abs(self.transform.determinant) * meters**2
        return np.full(self.height, area)

    def _ellipsoidal_areas(self) -> Float[np.ndarray, " row"]:
        geod = Geod(ellps="WGS84")
        column = self.width // 2
        areas = np.empty(self.height)
        for row in range(self.height):
            corners = [(column, row), (column + 1, row), (column + 1, row + 1), (column, row + 1)]
            lons, lats = zip(*(self.transform @ corner for corner in corners), strict=True)
            areas[row] = abs(geod.polygon_area_perimeter(lons, lats)[0])
        return areas

    def footprint(self) -> tuple[list[float], list[float]] | None:
        """Longitudes and latitudes along the outline (WGS 84), or None without a CRS."""
        if self.crs is None:
            return None
        return self.edge_in(CRS.from_epsg(4326))


def crs_of(definition: str) -> CRS:
    """A CRS from an authority code such as "EPSG:32632", WKT or PROJ text."""
    return CRS.from_user_input(definition)


def _inside(positions: Float[np.ndarray, " point"], size: int) -> tuple[int, int]:
    """First and one-past-last pixel between the extremes of `positions`, within the grid.

    A sliver thinner than `SAME_GRID` of a pixel does not open another row or column.
    """
    first = math.floor(positions.min() + SAME_GRID)
    last = math.ceil(positions.max() - SAME_GRID)
    return max(first, 0), min(last, size)
