"""Where pixels lie: a grid of rows and columns in a coordinate reference system."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property, reduce

import numpy as np
import pyproj
from affine import Affine
from jaxtyping import Float
from pyproj.exceptions import ProjError
from rasterio.crs import CRS
from rasterio.errors import CRSError

from metriccd.errors import GridError
from metriccd.raster import globe
from metriccd.raster.globe import circle_of, eastward, turns
from metriccd.storage import storable

# Points along each edge of a footprint that is carried to another CRS, where edges may bend.
EDGE_POINTS = 64
# Two grids are one when their pixel corners differ by less than this share of a pixel.
SAME_GRID = 1e-3
# Points of a grid along rows and columns that are looked up in another CRS, edges included.
LATTICE_POINTS = 65


@storable
@dataclass(frozen=True, kw_only=True)
class Window:
    """A rectangle of pixels: first row and column, height and width."""

    row: int
    col: int
    height: int
    width: int

    @classmethod
    def whole(cls, shape: tuple[int, int]) -> Window:
        """All of a scene of `shape` (rows, cols)."""
        return cls(row=0, col=0, height=shape[0], width=shape[1])

    @property
    def slices(self) -> tuple[slice, slice]:
        """Row and column slices of the window in an array of the whole grid."""
        return (
            slice(self.row, self.row + self.height),
            slice(self.col, self.col + self.width),
        )

    def padded(self, step: tuple[int, int], shape: tuple[int, int]) -> Window:
        """This window with `step` rows and columns more on each side, within `shape`."""
        top, left = max(self.row - step[0], 0), max(self.col - step[1], 0)
        return Window(
            row=top,
            col=left,
            height=min(self.row + self.height + step[0], shape[0]) - top,
            width=min(self.col + self.width + step[1], shape[1]) - left,
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

    @classmethod
    def around(cls, bounds: tuple[float, float, float, float], crs: CRS) -> Grid:
        """One pixel that is a box (west, south, east, north)."""
        west, south, east, north = bounds
        transform = Affine(east - west, 0.0, west, 0.0, south - north, north)
        return cls(height=1, width=1, transform=transform, crs=crs)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.height, self.width

    @property
    def georeferenced(self) -> bool:
        """True where pixels have coordinates, with or without a CRS."""
        return self.crs is not None or self.transform != Affine.identity()

    @property
    def drawn(self) -> Grid:
        """The grid as programs draw it: without georeference from (0, 0) down, y minus the row."""
        return self if self.georeferenced else replace(self, transform=Affine.scale(1, -1))

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

    def moved(self, row: float, col: float) -> Grid:
        """The same grid so many rows down and columns to the right."""
        return replace(self, transform=self.transform @ Affine.translation(col, row))

    def coarser(self, step: int) -> Grid:
        """The grid of pixels `step` times as large that covers this one."""
        return Grid(
            height=-(-self.height // step),
            width=-(-self.width // step),
            transform=self.transform @ Affine.scale(step),
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
        """Coordinates (xs, ys) along the outline, carried to another CRS.

        Infinite or NaN where the other CRS has no such place.

        Raises:
            GridError: Nothing is known of how the two CRSs relate.
        """
        xs, ys = self.edge()
        if self.crs is None or self.crs == crs:
            return xs, ys
        moved = _carried(self.crs, crs, np.asarray(xs), np.asarray(ys))
        return moved[0].tolist(), moved[1].tolist()

    def overlap(self, other: Grid) -> Window | None:
        """Window of this grid that holds `other`, or None without overlap.

        Across CRSs the window may be larger than the overlap, never smaller: an outline around a
        pole or the whole globe does not bound its image in another CRS.

        Raises:
            GridError: Nothing is known of how the two CRSs relate.
        """
        xs, ys = (
            np.asarray(axis)
            for axis in (other.edge_in(self.crs) if self.crs is not None else other.edge())
        )
        seen = np.isfinite(xs) & np.isfinite(ys)
        outline = self._outlined(xs[seen], ys[seen]) if seen.any() else None
        if self.crs is None or other.crs is None or self.crs == other.crs:
            return outline
        inside, step = self._lattice_in(other, self.crs, other.crs)
        # The outline bounds tightly wherever it bounds at all.
        if inside is None or (outline is not None and seen.all() and _holds(outline, inside)):
            return outline
        padded = inside.padded(step, self.shape)
        return padded if outline is None else _united(outline, padded)

    def window_of(self, bounds: tuple[float, float, float, float]) -> Window | None:
        """Smallest window of this grid that holds (west, south, east, north), in its CRS."""
        west, south, east, north = bounds
        xs, ys = np.array([[west, west, east, east], [south, north, south, north]], float)
        return self._around(xs, ys)

    def turns_of(self, other: Grid) -> list[float]:
        """What to add to the longitudes of `other` so that it lies on this grid.

        Nothing (0) unless both CRSs are geographic; several turns where it lies at both ends.
        """
        circle = circle_of(self.crs)
        if circle is None or circle_of(other.crs) is None:
            return [0.0]
        (xs, _), (others, _) = self.edge(2), other.edge(2)
        return turns((min(others), max(others)), (min(xs), max(xs)), circle) or [0.0]

    def turned(self, turn: float) -> Grid:
        """The same place by other longitudes."""
        if not turn:
            return self
        return replace(self, transform=Affine.translation(turn, 0) @ self.transform)

    def _outlined(
        self, xs: Float[np.ndarray, " point"], ys: Float[np.ndarray, " point"]
    ) -> Window | None:
        """Window around an outline, whichever turn its longitudes are of."""
        circle = circle_of(self.crs)
        return self._around(xs if circle is None else np.unwrap(xs, period=circle), ys)

    def _around(
        self, xs: Float[np.ndarray, " point"], ys: Float[np.ndarray, " point"]
    ) -> Window | None:
        """Window around points whose longitudes do not jump, whichever turn they are of."""
        circle = circle_of(self.crs)
        shifts = [0.0]
        if circle is not None:
            own, _ = self.edge(2)
            shifts = turns((xs.min(), xs.max()), (min(own), max(own)), circle)
        windows = [self._window(*self._positions(xs + shift, ys)) for shift in shifts]
        found = [window for window in windows if window is not None]
        return reduce(_united, found) if found else None

    def _pixels(
        self, xs: Float[np.ndarray, " point"], ys: Float[np.ndarray, " point"]
    ) -> tuple[Float[np.ndarray, " point"], Float[np.ndarray, " point"]]:
        """Columns and rows of coordinates; longitudes are turned to this grid's side."""
        circle = circle_of(self.crs)
        if circle is not None:
            xs = eastward(xs, min(self.edge(2)[0]), circle)
        return self._positions(xs, ys)

    def _positions(
        self, xs: Float[np.ndarray, " point"], ys: Float[np.ndarray, " point"]
    ) -> tuple[Float[np.ndarray, " point"], Float[np.ndarray, " point"]]:
        """Columns and rows of coordinates."""
        t = ~self.transform
        return t.a * xs + t.b * ys + t.c, t.d * xs + t.e * ys + t.f

    def _window(
        self, cols: Float[np.ndarray, " point"], rows: Float[np.ndarray, " point"]
    ) -> Window | None:
        """Window between the extremes of positions, within the grid."""
        top, bottom = _inside(rows, self.height)
        left, right = _inside(cols, self.width)
        if bottom <= top or right <= left:
            return None
        return Window(row=top, col=left, height=bottom - top, width=right - left)

    def _lattice_in(
        self, other: Grid, crs: CRS, target: CRS
    ) -> tuple[Window | None, tuple[int, int]]:
        """Window of this grid's own points that lie in `other`, and the rows, columns of a step."""
        side = np.linspace(0.0, 1.0, LATTICE_POINTS)
        rows, cols = (axis.ravel() for axis in np.meshgrid(side * self.height, side * self.width))
        t = self.transform
        x, y = t.a * cols + t.b * rows + t.c, t.d * cols + t.e * rows + t.f
        x, y = _carried(crs, target, x, y)
        seen = np.isfinite(x) & np.isfinite(y)
        rows, cols = rows[seen], cols[seen]
        their_cols, their_rows = other._pixels(x[seen], y[seen])
        within = (their_cols >= 0) & (their_cols <= other.width)
        within &= (their_rows >= 0) & (their_rows <= other.height)
        step = (
            math.ceil(self.height / (LATTICE_POINTS - 1)),
            math.ceil(self.width / (LATTICE_POINTS - 1)),
        )
        if not within.any():
            return None, step
        top, bottom = math.floor(rows[within].min()), math.ceil(rows[within].max())
        left, right = math.floor(cols[within].min()), math.ceil(cols[within].max())
        return Window(row=top, col=left, height=bottom - top, width=right - left), step

    @cached_property
    def has_areas(self) -> bool:
        """Whether it is known how many square meters a pixel covers."""
        return globe.known(self.crs)

    def pixel_areas(self, window: Window) -> Float[np.ndarray, "row col"] | None:
        """Area of each pixel of a window in square meters, on the ellipsoid, to 0.1 %.

        0 for a pixel off the globe. Planar where the CRS is a plane that nothing ties to the
        Earth. None where areas are unknown: without a CRS, or where that tells no length.
        """
        if self.crs is None or not self.has_areas:
            return None
        return globe.pixel_areas(self.crs, self.transform, *window.slices)

    @cached_property
    def pixel_area(self) -> float | None:
        """Area of the pixel in the middle, in square meters."""
        middle = Window(row=self.height // 2, col=self.width // 2, height=1, width=1)
        found = self.pixel_areas(middle)
        return None if found is None else float(found[0, 0])

    @property
    def ground(self) -> float | None:
        """Side of the pixel in the middle on the ground, in meters: the root of its area.

        None where that is unknown.
        """
        return math.sqrt(self.pixel_area) if self.pixel_area else None

    @property
    def sides(self) -> tuple[float, float] | None:
        """Width and height of the pixel in the middle on the ground, in meters.

        None where that is unknown.
        """
        if self.crs is None or not self.has_areas:
            return None
        across, down = globe.steps(self.crs, self.transform, self.height / 2, self.width / 2)
        return (across, down) if math.isfinite(across) and math.isfinite(down) else None

    def footprint(self) -> tuple[list[float], list[float]] | None:
        """Longitudes and latitudes along the outline (WGS 84).

        Infinite or NaN where the outline leaves the globe. None without a CRS, or with one that
        is neither geographic nor projected, or of another celestial body.
        """
        if self.crs is None or not (self.crs.is_geographic or self.crs.is_projected):
            return None
        try:
            return self.edge_in(CRS.from_epsg(4326))
        except GridError:
            return None


def crs_of(definition: str) -> CRS:
    """A CRS from an authority code such as "EPSG:32632", WKT or PROJ text.

    Raises:
        GridError: There is no such CRS.
    """
    try:
        return CRS.from_user_input(definition)
    except CRSError:
        raise GridError(
            f"a CRS is a code, WKT or PROJ text: got {definition}; write it like EPSG:4326"
        ) from None


def _carried(
    source: CRS, target: CRS, xs: Float[np.ndarray, " point"], ys: Float[np.ndarray, " point"]
) -> tuple[Float[np.ndarray, " point"], Float[np.ndarray, " point"]]:
    """Points in another CRS, infinite or NaN where it has no such place.

    PROJ is asked itself: GDAL's function for it gives up on all points when one cannot be moved.
    """
    try:
        moved = pyproj.Transformer.from_crs(source, target, always_xy=True).transform(xs, ys)
    except ProjError:
        raise GridError(
            f"the CRSs of the images must relate: no way is known from {_named(source)} to "
            f"{_named(target)}; warp one image to the other's CRS"
        ) from None
    return np.asarray(moved[0]), np.asarray(moved[1])


def _named(crs: CRS) -> str:
    """A CRS in one line."""
    return str(pyproj.CRS.from_user_input(crs).name)


def _holds(outer: Window, inner: Window) -> bool:
    return _united(outer, inner) == outer


def _united(one: Window, other: Window) -> Window:
    """The smallest window around two."""
    top, left = min(one.row, other.row), min(one.col, other.col)
    return Window(
        row=top,
        col=left,
        height=max(one.row + one.height, other.row + other.height) - top,
        width=max(one.col + one.width, other.col + other.width) - left,
    )


def _inside(positions: Float[np.ndarray, " point"], size: int) -> tuple[int, int]:
    """First and one-past-last pixel between the extremes of `positions`, within the grid.

    A sliver thinner than `SAME_GRID` of a pixel does not open another row or column.
    """
    first = math.floor(positions.min() + SAME_GRID)
    last = math.ceil(positions.max() - SAME_GRID)
    return max(first, 0), min(last, size)
