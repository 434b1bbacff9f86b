"""Overviews of a scene, made window by window: one pixel for each block of k × k."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float32

from metriccd.raster import Window

# Most rows or columns that pictures show.
LONG_SIDE = 1400


def factor_of(shape: tuple[int, int], long_side: int = LONG_SIDE) -> int:
    """k, the smallest that brings a scene of `shape` (rows, cols) to `long_side`."""
    return max(-(-max(shape) // long_side), 1)


def small(shape: tuple[int, int], factor: int) -> tuple[int, int]:
    """Rows and columns of the overview of a scene."""
    return -(-shape[0] // factor), -(-shape[1] // factor)


@dataclass(frozen=True, kw_only=True)
class Maximum:
    """The largest value of each block, of windows that may lie anywhere.

    Use it for scores: `overview > threshold` then holds exactly where any pixel of the block is
    change, so that no change is too small to be seen.

    Attributes:
        factor: k.
        array: The overview so far, NaN where nothing valid was seen.
    """

    factor: int
    array: Float32[np.ndarray, "row col"] = field(repr=False)

    @classmethod
    def of(cls, shape: tuple[int, int], long_side: int = LONG_SIDE) -> Maximum:
        """An empty overview of a scene of `shape` (rows, cols)."""
        factor = factor_of(shape, long_side)
        return cls(factor=factor, array=np.full(small(shape, factor), np.nan, np.float32))

    def add(self, window: Window, values: Float32[np.ndarray, "row col"]) -> None:
        """Takes a window's values; NaN where not valid."""
        k = self.factor
        top, left = window.row // k, window.col // k
        above, before = window.row % k, window.col % k
        rows, cols = small((above + window.height, before + window.width), k)
        padded = np.full((rows * k, cols * k), np.nan, np.float32)
        padded[above : above + window.height, before : before + window.width] = values
        blocks = padded.reshape(rows, k, cols, k)
        target = self.array[top : top + rows, left : left + cols]
        np.fmax(target, np.fmax.reduce(np.fmax.reduce(blocks, axis=1), axis=2), out=target)
