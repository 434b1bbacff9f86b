"""One number for each pixel of a scene, in memory or on disk, read and written by windows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32

from metriccd.raster import Window


@runtime_checkable
class Layer(Protocol):
    """A scene's worth of float32 values."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""

    def read(self, window: Window) -> Float32[np.ndarray, "row col"]:
        """A copy of a window."""

    def write(self, window: Window, values: Float32[np.ndarray, "row col"]) -> None:
        """Replaces a window."""


@dataclass(frozen=True)
class MemoryLayer:
    """A layer in an array.

    Attributes:
        array: All of it.
    """

    array: Float32[np.ndarray, "row col"]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        height, width = self.array.shape
        return height, width

    def read(self, window: Window) -> Float32[np.ndarray, "row col"]:
        """A copy of a window."""
        return self.array[window.slices].copy()

    def write(self, window: Window, values: Float32[np.ndarray, "row col"]) -> None:
        """Replaces a window."""
        self.array[window.slices] = values


@dataclass(frozen=True)
class FileLayer:
    """A layer in a file, row by row, of which nothing stays in this process's memory.

    It is read and written, never mapped: where a disk is full, or a file is cut, a mapped page ends
    the process by a signal, and what stays mapped counts as held.

    Attributes:
        path: The file.
        shape: Rows and columns.
    """

    path: Path
    shape: tuple[int, int]

    @classmethod
    def create(cls, path: Path, shape: tuple[int, int]) -> FileLayer:
        """A new file, all zero; it takes space on disk only where it is written."""
        with path.open("wb") as stream:
            stream.truncate(4 * shape[0] * shape[1])
        return cls(path, shape)

    def read(self, window: Window) -> Float32[np.ndarray, "row col"]:
        """A copy of a window.

        Raises:
            OSError: The file is shorter than the layer.
        """
        values = np.empty((window.height, window.width), np.float32)
        with self.path.open("rb", buffering=0) as stream:
            for place, part in self._runs(window, values.reshape(-1)):
                stream.seek(place)
                if stream.readinto(part.data) != part.nbytes:
                    raise OSError(f"{self.path} was cut off")
        return values

    def write(self, window: Window, values: Float32[np.ndarray, "row col"]) -> None:
        """Replaces a window; what is written survives this process.

        Raises:
            OSError: There is no room.
        """
        with self.path.open("r+b") as stream:
            for place, part in self._runs(window, np.ascontiguousarray(values).reshape(-1)):
                stream.seek(place)
                stream.write(part.data)

    def _runs(
        self, window: Window, values: Float32[np.ndarray, " pixel"]
    ) -> Iterator[tuple[int, Float32[np.ndarray, " pixel"]]]:
        """Parts of a window that lie together in the file, and at which byte of it."""
        width = self.shape[1]
        step = values.size if window.width == width else window.width
        for number, first in enumerate(range(0, values.size, max(step, 1))):
            place = (window.row + number) * width + window.col
            yield 4 * place, values[first : first + step]
