"""One number for each pixel of a scene, in memory or on disk, read and written by windows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

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

    The file is mapped only while a window is copied: what stays mapped would count as held.

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
        """A copy of a window."""
        return np.array(self._mapped("r")[window.slices])

    def write(self, window: Window, values: Float32[np.ndarray, "row col"]) -> None:
        """Replaces a window; what is written survives this process."""
        self._mapped("r+")[window.slices] = values

    def _mapped(self, mode: Literal["r", "r+"]) -> Float32[np.ndarray, "row col"]:
        return np.memmap(self.path, np.float32, mode, shape=self.shape)
