"""One number for each pixel of a scene, in memory or on disk, written tile by tile."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32

from metriccd.raster import Window
from metriccd.storage import whole_file


@runtime_checkable
class Layer(Protocol):
    """A scene's worth of float32 values, in tiles that are numbered row by row."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""

    def holds(self, number: int) -> bool:
        """Whether a tile was written, by whomever."""

    def read(self, window: Window) -> Float32[np.ndarray, "row col"]:
        """A copy of a window, whose tiles were all written."""

    def write(self, number: int, values: Float32[np.ndarray, "row col"]) -> None:
        """Writes a tile."""


def core_of(number: int, shape: tuple[int, int], side: int) -> Window:
    """The window of a tile, see `tiles`."""
    row, col = (place * side for place in divmod(number, -(-shape[1] // side)))
    return Window(
        row=row, col=col, height=min(side, shape[0] - row), width=min(side, shape[1] - col)
    )


@dataclass(frozen=True)
class MemoryLayer:
    """A layer in an array.

    Attributes:
        array: All of it.
        side: Of a tile, in pixels.
    """

    array: Float32[np.ndarray, "row col"]
    side: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        height, width = self.array.shape
        return height, width

    def holds(self, _number: int) -> bool:
        """Nothing is left of an earlier run."""
        return False

    def read(self, window: Window) -> Float32[np.ndarray, "row col"]:
        """A copy of a window."""
        return self.array[window.slices].copy()

    def write(self, number: int, values: Float32[np.ndarray, "row col"]) -> None:
        """Writes a tile."""
        self.array[core_of(number, self.shape, self.side).slices] = values


@dataclass(frozen=True)
class FileLayer:
    """A layer in a folder, one file a tile, of which nothing stays in this process's memory.

    A tile's file appears whole or not at all: it is its own journal. Processes on several machines
    may write tiles of one layer at once, on a network's disk too, where two that write into one
    file would lose each other's bytes.

    Attributes:
        folder: An existing folder.
        shape: Rows and columns.
        side: Of a tile, in pixels.
    """

    folder: Path
    shape: tuple[int, int]
    side: int

    def holds(self, number: int) -> bool:
        """Whether a tile was written, by whomever."""
        core = core_of(number, self.shape, self.side)
        try:
            # After a loss of power a file may be there without its content.
            return self._file(number).stat().st_size == 4 * core.height * core.width
        except FileNotFoundError:
            return False

    def read(self, window: Window) -> Float32[np.ndarray, "row col"]:
        """A copy of a window, whose tiles were all written."""
        found = np.empty((window.height, window.width), np.float32)
        rows, cols = (
            range(first // self.side, -(-(first + length) // self.side))
            for first, length in ((window.row, window.height), (window.col, window.width))
        )
        across = -(-self.shape[1] // self.side)
        for number in (row * across + col for row in rows for col in cols):
            core = core_of(number, self.shape, self.side)
            shape = core.height, core.width
            # Mapped only while it is copied: what stays mapped would count as held.
            tile = np.memmap(self._file(number), np.float32, "r", shape=shape)
            found[_within(core, window)] = tile[_within(window, core)]
        return found

    def write(self, number: int, values: Float32[np.ndarray, "row col"]) -> None:
        """Writes a tile."""
        with whole_file(self._file(number)) as stream:
            stream.write(np.ascontiguousarray(values, np.float32).data)

    def _file(self, number: int) -> Path:
        return self.folder / f"{number}.f32"


def _within(part: Window, window: Window) -> tuple[slice, slice]:
    """Slices of what two windows share, within the second."""
    top, left = max(part.row, window.row), max(part.col, window.col)
    bottom = min(part.row + part.height, window.row + window.height)
    right = min(part.col + part.width, window.col + window.width)
    return (
        slice(top - window.row, bottom - window.row),
        slice(left - window.col, right - window.col),
    )
