"""The pyramid: tiles of a scene, at any size, on the plane of its own pixels.

A map in a browser knows one world, a square that halves into tiles z / x / y. The scene lies on it
pixel by pixel, whatever its CRS and also without one, from a quarter of the world to half of it at
most, so that there is room to move around it. Nothing is warped to show it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from metriccd.raster import Grid, Window

# Pixels of a side of a tile.
TILE = 256
# Below it the scene would be less than a tile.
COARSEST = 2


@dataclass(frozen=True, kw_only=True)
class Tile:
    """A tile of a scene.

    Attributes:
        step: Pixels of the scene in a pixel of the tile, along a side.
        row, col: Of its first pixel, on the grid that is so many times coarser.
    """

    step: int
    row: int
    col: int


@dataclass(frozen=True, kw_only=True)
class Pyramid:
    """Where the tiles of a scene lie.

    Attributes:
        grid: Of the scene.
    """

    grid: Grid

    @cached_property
    def finest(self) -> int:
        """The zoom at which a pixel of a tile is one of the scene."""
        tiles = -(-max(self.grid.shape) // TILE)
        return COARSEST + (tiles - 1).bit_length()

    @property
    def origin(self) -> int:
        """Column, and row, of the scene's first pixel in the world at that zoom."""
        return TILE << (self.finest - COARSEST)

    @property
    def world(self) -> int:
        """Pixels along a side of the world at that zoom."""
        return TILE << self.finest

    def tile(self, z: int, x: int, y: int) -> Tile | None:
        """A tile that the scene touches; None for any other."""
        if not COARSEST <= z <= self.finest:
            return None
        step = 1 << (self.finest - z)
        corner = 1 << (z - COARSEST)
        tile = Tile(step=step, row=(y - corner) * TILE, col=(x - corner) * TILE)
        return tile if self.window(tile) is not None else None

    def window(self, tile: Tile) -> Window | None:
        """The part of a tile that the scene covers, on the coarser grid; None where it has none."""
        height, width = (-(-side // tile.step) for side in self.grid.shape)
        top, left = max(tile.row, 0), max(tile.col, 0)
        bottom, right = min(tile.row + TILE, height), min(tile.col + TILE, width)
        if bottom <= top or right <= left or tile.row < 0 or tile.col < 0:
            return None
        return Window(row=top, col=left, height=bottom - top, width=right - left)
