"""Cleaning: which change objects count, and which holes in them do not."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float32

from metriccd.decision.objects import BLOCK, Connectivity, Objects, Read, find_objects, sifted
from metriccd.errors import GridError
from metriccd.raster import Grid, Window
from metriccd.scene import Memory, Workspace

# Shapes of 1, 2, … connected pixels up to translation, by connectivity (OEIS A001168, A006770).
SHAPES: dict[int, tuple[int, ...]] = {
    4: (
        *(1, 2, 6, 19, 63, 216, 760, 2725, 9910, 36446, 135268, 505861),
        *(1903890, 7204874, 27394666, 104592937),
    ),
    8: (
        *(1, 4, 20, 110, 638, 3832, 23592, 147941, 940982, 6053180, 39299408, 257105146),
        *(1692931066, 11208974860, 74570549714, 498174818986),
    ),
}


def beyond_chance(valid: int, changed: int, connectivity: Connectivity = 4) -> int:
    """Pixels that an object needs for chance not to make it.

    Were a share q of n pixels change by noise, each for itself, at most n · a_k · q^k objects of k
    or more pixels would be expected, a_k being the number of shapes of k pixels: each such object
    holds one of those shapes, all change. The size is the least k for which that is below one
    object in the scene; at most 16, where many pixels changed and chance alone connects them.

    Args:
        valid: n.
        changed: q · n.
        connectivity: Of objects.
    """
    shapes = SHAPES[connectivity]
    share = changed / max(valid, 1)
    expected = (valid * count * share**k for k, count in enumerate(shapes, start=1))
    return next((k for k, few in enumerate(expected, start=1) if few < 1), len(shapes))


@dataclass(frozen=True, kw_only=True)
class Cleaning:
    """What happens to a change map before anything is made of it; the score stays.

    Attributes:
        min_pixels: Change objects of fewer pixels are dropped; None: of fewer than
            `beyond_chance` tells of the scene.
        min_area: Change objects of fewer square meters are dropped.
        fill_holes: Holes of at most that many pixels become change.
        connectivity: 4: pixels that share an edge are one object; 8: an edge or a corner. Holes
            are connected the other way.

    Raises:
        ValueError: A size is negative, or there is no such connectivity.
    """

    min_pixels: int | None = None
    min_area: float = 0.0
    fill_holes: int = 0
    connectivity: Connectivity = 4

    def __post_init__(self) -> None:
        for name in ("min_pixels", "min_area", "fill_holes"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < math.inf:
                raise ValueError(f"{name} is a number of 0 or more: got {value}; give one")
        if self.connectivity not in (4, 8):
            raise ValueError(f"connectivity is 4 or 8: got {self.connectivity}; choose one of them")

    def with_asked(
        self,
        *,
        min_pixels: int | Literal["auto"] | None = None,
        min_area: float | None = None,
        fill_holes: int | None = None,
        connectivity: Connectivity | None = None,
    ) -> Cleaning:
        """The same but for what is given; "auto" brings the size back that chance tells.

        Raises:
            ValueError: A size is negative, or there is no such connectivity.
        """
        least = self.min_pixels if min_pixels is None else min_pixels
        return Cleaning(
            min_pixels=None if least == "auto" else least,
            min_area=self.min_area if min_area is None else min_area,
            fill_holes=self.fill_holes if fill_holes is None else fill_holes,
            connectivity=self.connectivity if connectivity is None else connectivity,
        )

    def require(self, grid: Grid) -> None:
        """Refuses a grid on which areas are asked for and unknown.

        Raises:
            GridError: The grid has no CRS, or one that tells no length.
        """
        if self.min_area > 0 and not grid.has_areas:
            what = "have none" if grid.crs is None else "have one that tells no length"
            raise GridError(
                f"--min-area needs a CRS to know areas: these images {what}; use --min-pixels"
            )

    def clean(
        self, read: Read, grid: Grid, *, size: int = BLOCK, workspace: Workspace | None = None
    ) -> tuple[Read, int]:
        """The change map without small objects and then without small holes, and the least size.

        Args:
            read: Change map and score of a window; the score is NaN where not valid.
            grid: Where the pixels lie.
            size: Side of the blocks; the result does not depend on it.
            workspace: Where objects and holes are kept once they are found.

        Raises:
            GridError: Areas are asked for and unknown.
        """
        self.require(grid)
        kept = workspace or Memory()
        least = 1 if self.min_pixels is None else self.min_pixels
        found = read
        if self.min_pixels != 1 or self.min_area > 0:
            find = partial(find_objects, connectivity=self.connectivity, size=size)
            objects = kept.keep("objects", partial(find, read, grid))
            if self.min_pixels is None:
                changed = int(objects.pixels.sum())
                least = beyond_chance(objects.valid, changed, self.connectivity)
            stays = self._large(objects, least)
            if not stays.all():
                found = sifted(read, objects, stays)
        return (self._filled(found, grid, size, kept) if self.fill_holes > 0 else found), least

    def record(self) -> dict[str, Any]:
        """What JSON can hold of it."""
        return asdict(self)

    def _large(self, objects: Objects, least: int) -> Bool[np.ndarray, " object"]:
        large: Bool[np.ndarray, " object"] = objects.pixels >= least
        return large & (objects.area >= self.min_area) if self.min_area > 0 else large

    def _filled(self, read: Read, grid: Grid, size: int, kept: Workspace) -> Read:
        """The change map with its small holes filled.

        A hole is enclosed and valid: what reaches the image's edge or pixels without data is none.
        """

        def rest(
            window: Window,
        ) -> tuple[Bool[np.ndarray, "row col"], Float32[np.ndarray, "row col"]]:
            change, score = read(window)
            return ~change, (_at_edge(window, grid) | np.isnan(score)).astype(np.float32)

        other: Connectivity = 8 if self.connectivity == 4 else 4
        find = partial(find_objects, connectivity=other, size=size)
        parts = kept.keep("holes", partial(find, rest, grid))
        holes = sifted(rest, parts, (parts.pixels <= self.fill_holes) & (parts.highest == 0))

        def filled(
            window: Window,
        ) -> tuple[Bool[np.ndarray, "row col"], Float32[np.ndarray, "row col"]]:
            change, score = read(window)
            return change | holes(window)[0], score

        return filled


def _at_edge(window: Window, grid: Grid) -> Bool[np.ndarray, "row col"]:
    """Pixels of a window at the edge of the scene."""
    rows = window.row + np.arange(window.height)
    cols = window.col + np.arange(window.width)
    edge: Bool[np.ndarray, "row col"]
    edge = np.isin(rows, (0, grid.height - 1))[:, None] | np.isin(cols, (0, grid.width - 1))
    return edge
