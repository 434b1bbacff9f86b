"""Tiles with context: work on a scene piece by piece with the result of the whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from metriccd.raster import Window


@dataclass(frozen=True, kw_only=True)
class Tile:
    """A unit of work.

    Attributes:
        core: Pixels whose result is kept.
        padded: The core and up to `halo` pixels of context on each side, within the scene.
    """

    core: Window
    padded: Window

    @property
    def inner(self) -> tuple[slice, slice]:
        """Slices of the core within the padded tile."""
        row, col = self.core.row - self.padded.row, self.core.col - self.padded.col
        return slice(row, row + self.core.height), slice(col, col + self.core.width)


def tiles(shape: tuple[int, int], *, size: int, halo: int) -> Iterator[Tile]:
    """Tiles of size × size pixels that cover a scene of `shape` (rows, cols), row by row.

    A network that halves its resolution k times gives the whole scene's result only if every
    padded tile starts at a multiple of 2ᵏ; `size` and `halo` that are such multiples see to it.
    """
    height, width = shape
    for row in range(0, height, size):
        for col in range(0, width, size):
            core = Window(
                row=row, col=col, height=min(size, height - row), width=min(size, width - col)
            )
            top, left = max(row - halo, 0), max(col - halo, 0)
            bottom = min(row + core.height + halo, height)
            right = min(col + core.width + halo, width)
            yield Tile(
                core=core,
                padded=Window(row=top, col=left, height=bottom - top, width=right - left),
            )


def map_tiles(
    predict: Callable[[Window], Float[np.ndarray, "channel _row _col"]],
    shape: tuple[int, int],
    *,
    channels: int,
    size: int,
    halo: int,
    advance: Callable[[int], None] = lambda _count: None,
) -> Float[np.ndarray, "channel row col"]:
    """Assembles a scene's result from that of its tiles.

    Args:
        predict: Result (channel, row, col) on a padded tile, given its window.
        shape: Rows and columns of the scene.
        channels: Channels that `predict` returns.
        size: Side of a tile without context.
        halo: Context on each side, at least the reach of `predict`.
        advance: Called with 1 after each tile.
    """
    result = np.empty((channels, *shape), np.float32)
    for tile in tiles(shape, size=size, halo=halo):
        result[:, *tile.core.slices] = predict(tile.padded)[:, *tile.inner]
        advance(1)
    return result
