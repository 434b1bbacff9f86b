"""The place: where a scene lies, in words, and what turns its pixels into coordinates."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import pyproj
from jaxtyping import Float64
from pyproj.exceptions import CRSError, ProjError

from metriccd.raster import Grid

# Points along rows and columns whose longitudes and latitudes the page knows, edges included.
LATTICE = 17
# Decimals of degrees: 1e-7 is a centimeter.
DIGITS = range(1, 8)
_GLOBE = "EPSG:4326"
_RADIUS = 6_371_000.0

Points: TypeAlias = Float64[np.ndarray, "*shape"]


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a scene lies.

    Attributes:
        cols: Columns of the scene.
        crs: Name and code of its CRS; None without one.
        center: Longitude and latitude of its center, in words; its coordinates where the globe is
            not known, None where those are not either.
        pixel: Size of a pixel, in words.
        transform: From (col, row) of the scene to coordinates: a, b, c, d, e, f of x = a·col +
            b·row + c and y = d·col + e·row + f; None without georeference.
        geographic: Whether these coordinates are degrees of longitude and latitude.
        normals: Unit vectors up from the ellipsoid, at `LATTICE` × `LATTICE` points of the scene
            from corner to corner, NaN off the globe; None where the CRS tells no place on it or
            the coordinates are degrees themselves. In between, whoever needs longitude and
            latitude interpolates vectors: they do not jump at 180° and have no pole.
        digits: Decimals of degrees that are true of them, no more than pixels are worth.
        step: Meters on the ground of a step of a column and of a row, at the center; None where
            lengths are unknown.
        north: Degrees from the top of the picture to north, clockwise, at the center; None where
            north is unknown.
    """

    cols: int
    crs: str | None
    center: str | None
    pixel: str
    transform: tuple[float, ...] | None = None
    geographic: bool = False
    normals: Float64[np.ndarray, "17 17 3"] | None = field(default=None, repr=False)
    digits: int = 5
    step: tuple[float, float] | None = None
    north: float | None = None

    @classmethod
    def of(cls, grid: Grid) -> Place:
        """Where a grid lies."""
        if not grid.georeferenced:
            return cls(cols=grid.width, crs=None, center=None, pixel="unknown")
        ground = _Ground.of(grid)
        step = grid.sides
        return cls(
            cols=grid.width,
            crs=None if grid.crs is None else _named(ground.crs),
            center=_center(grid, ground),
            pixel=_size(grid, ground),
            transform=grid.transform[:6],
            geographic=ground.geographic,
            normals=None if ground.carry is None or ground.geographic else ground.normals(LATTICE),
            digits=ground.digits(LATTICE),
            step=step,
            north=ground.north(),
        )

    @property
    def bar(self) -> dict[str, Any] | None:
        """A scale of a round length, at most a third of the scene: share of it, and words."""
        if self.step is None:
            return None
        width = self.step[0] * self.cols
        power = 10 ** math.floor(math.log10(width / 3))
        length = next(each * power for each in (5, 2, 1) if each * power <= width / 3)
        size, unit = next(
            (size, unit)
            for size, unit in ((1000, "km"), (1, "m"), (0.01, "cm"))
            if length >= size or unit == "cm"
        )
        return {"percent": round(100 * length / width, 2), "text": f"{length / size:g} {unit}"}

    @property
    def tall(self) -> float:
        """Height of a pixel on the ground over its width; 1 where it is unknown or odd."""
        if self.step is None:
            return 1.0
        ratio = self.step[1] / self.step[0]
        return ratio if 0.2 < ratio < 5 and abs(ratio - 1) > 0.005 else 1.0

    def payload(self) -> dict[str, Any]:
        """What the page's script reads."""
        return {
            "transform": self.transform,
            "geographic": self.geographic,
            "lattice": LATTICE,
            # JSON has null for what is no number.
            "normals": None
            if self.normals is None
            else [
                None if math.isnan(value) else round(value, 10)
                for value in self.normals.ravel().tolist()
            ],
            "digits": self.digits,
            "step": self.step,
            "north": self.north,
            "tall": self.tall,
        }


@dataclass(frozen=True, kw_only=True)
class _Ground:
    """A grid on the globe.

    Attributes:
        grid: Where pixels lie.
        crs: Its CRS.
        carry: From its coordinates to longitude and latitude; None where nothing tells.
    """

    grid: Grid
    crs: pyproj.CRS | None
    carry: pyproj.Transformer | None

    @classmethod
    def of(cls, grid: Grid) -> _Ground:
        if grid.crs is None:
            return cls(grid=grid, crs=None, carry=None)
        crs = pyproj.CRS.from_user_input(grid.crs)
        carry = None
        if crs.is_geographic or crs.is_projected:
            try:
                carry = pyproj.Transformer.from_crs(crs, _GLOBE, always_xy=True)
            except (CRSError, ProjError):
                carry = None
        return cls(grid=grid, crs=crs, carry=carry)

    @property
    def geographic(self) -> bool:
        """Whether coordinates are longitude and latitude in degrees."""
        if self.crs is None or not self.crs.is_geographic:
            return False
        factor = self.crs.axis_info[0].unit_conversion_factor
        return math.isclose(factor, math.pi / 180, rel_tol=1e-6)

    @property
    def middle(self) -> tuple[float, float]:
        """Column and row of the center."""
        return self.grid.width / 2, self.grid.height / 2

    def lonlat(self, cols: Points, rows: Points) -> tuple[Points, Points]:
        """Longitudes and latitudes of points in pixels; NaN off the globe."""
        assert self.carry is not None
        t = self.grid.transform
        moved = self.carry.transform(
            t.a * cols + t.b * rows + t.c, t.d * cols + t.e * rows + t.f, errcheck=False
        )
        lon, lat = (np.asarray(axis, np.float64) for axis in moved)
        known = np.isfinite(lon) & np.isfinite(lat)
        return np.where(known, lon, np.nan), np.where(known, lat, np.nan)

    def normals(self, points: int) -> Float64[np.ndarray, "_row _col 3"]:
        """Unit vectors up from the ellipsoid at points from corner to corner."""
        rows, cols = np.meshgrid(
            np.linspace(0, self.grid.height, points),
            np.linspace(0, self.grid.width, points),
            indexing="ij",
        )
        lon, lat = np.radians(self.lonlat(cols, rows))
        return np.stack(
            [np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1
        )

    def north(self) -> float | None:
        """Degrees from the top of the picture to north, clockwise, at the center."""
        sides = self.grid.sides
        if self.carry is None or sides is None:
            return None
        _, lat = self.lonlat(*(np.array([each]) for each in self.middle))
        # North is where the latitude grows most: along columns and rows, in meters on the ground.
        col, row = self.middle
        _, lats = self.lonlat(
            np.array([col + 0.5, col - 0.5, col, col]), np.array([row, row, row - 0.5, row + 0.5])
        )
        right, up = (lats[0] - lats[1]) / sides[0], (lats[2] - lats[3]) / sides[1]
        if not math.isfinite(right + up) or abs(lat[0]) > 89.9 or not (right or up):
            return None
        return math.degrees(math.atan2(right, up))

    def digits(self, points: int) -> int:
        """Decimals of degrees that are true between the points of a lattice."""
        sides = self.grid.sides
        if self.carry is None or sides is None:
            return 5
        digits = math.ceil(-math.log10(math.degrees(min(sides) / _RADIUS) / 2))
        if not self.geographic:
            # At the middles of cells and of their edges, where the errors are largest.
            dense = self.normals(2 * points - 1)
            guess = dense.copy()
            guess[1::2] = (guess[:-1:2] + guess[2::2]) / 2
            guess[:, 1::2] = (guess[:, :-1:2] + guess[:, 2::2]) / 2
            guess /= np.linalg.norm(guess, axis=-1, keepdims=True)
            error = np.linalg.norm(guess - dense, axis=-1)
            worst = math.degrees(np.nanmax(error, initial=1e-12))
            digits = min(digits, math.floor(-math.log10(worst)))
        return int(np.clip(digits, DIGITS[0], DIGITS[-1]))


def _named(crs: pyproj.CRS | None) -> str | None:
    """Name and code of a CRS."""
    if crs is None:
        return None
    code = crs.to_authority()
    return crs.name if code is None else f"{crs.name} ({':'.join(code)})"


def _center(grid: Grid, ground: _Ground) -> str:
    """Coordinates of the center, in words."""
    col, row = ground.middle
    if ground.carry is not None:
        lon, lat = (float(axis[0]) for axis in ground.lonlat(np.array([col]), np.array([row])))
        if math.isfinite(lon):
            return (
                f"{abs(lat):.4f}° {'N' if lat >= 0 else 'S'}, "
                f"{abs(lon):.4f}° {'E' if lon >= 0 else 'W'}"
            )
    x, y = grid.transform @ (col, row)
    return f"x {x:,.2f}, y {y:,.2f}"


def _size(grid: Grid, ground: _Ground) -> str:
    """Size of a pixel, in words: on the ground, and in the CRS where that says something else."""
    width, height = grid.pixel_size
    unit = (
        "" if ground.crs is None or not ground.crs.axis_info else ground.crs.axis_info[0].unit_name
    )
    own = _lengths(width, height, {"metre": "m", "degree": "°", "": "units"}.get(unit, unit))
    sides = grid.sides
    if sides is None or (unit == "metre" and _alike(sides, (width, height))):
        return own
    return f"{_lengths(*sides, 'm')} ({own})"


def _alike(one: tuple[float, float], other: tuple[float, float]) -> bool:
    """Whether lengths on the ground are those of the CRS, as far as people care."""
    return all(math.isclose(a, b, rel_tol=0.01) for a, b in zip(one, other, strict=True))


def _lengths(width: float, height: float, unit: str) -> str:
    """One length, or both where they differ."""
    sides = [width] if math.isclose(width, height, rel_tol=0.005) else [width, height]
    told = (
        np.format_float_positional(side, precision=3, fractional=False, trim="-") for side in sides
    )
    return f"{' × '.join(told)}{'' if unit == '°' else ' '}{unit}"
