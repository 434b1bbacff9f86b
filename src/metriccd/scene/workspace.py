"""Where a detection keeps what it has measured: in memory, or in files that survive it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from metriccd.scene.layer import FileLayer, Layer, MemoryLayer

# The list of finished tiles.
FINISHED = "finished"


@runtime_checkable
class Workspace(Protocol):
    """Layers by name, and which tiles of them are finished."""

    @property
    def finished(self) -> frozenset[int]:
        """Numbers of the tiles that need not be measured again."""

    def layer(self, name: str, shape: tuple[int, int]) -> Layer:
        """The layer of this name, made where it is not there."""

    def finish(self, tile: int) -> None:
        """Notes that all layers hold a tile."""


@dataclass(frozen=True)
class Memory:
    """Layers in memory; nothing is left of an earlier run."""

    finished: frozenset[int] = frozenset()

    def layer(self, _name: str, shape: tuple[int, int]) -> MemoryLayer:
        """A new layer, NaN everywhere."""
        return MemoryLayer(np.full(shape, np.nan, np.float32))

    def finish(self, tile: int) -> None:
        """Nothing needs to be noted."""


@dataclass(frozen=True)
class Files:
    """Layers in files of a folder, and a journal of finished tiles.

    Attributes:
        folder: An existing folder; what an interrupted run left in it is used.
    """

    folder: Path
    finished: frozenset[int] = field(init=False)

    def __post_init__(self) -> None:
        path = self.folder / FINISHED
        text = path.read_text(encoding="ascii") if path.exists() else ""
        # A line that was cut off has no end and does not count.
        lines = text.split("\n")[:-1]
        object.__setattr__(self, "finished", frozenset(int(line) for line in lines if line))

    def layer(self, name: str, shape: tuple[int, int]) -> FileLayer:
        """The layer in a file of this name."""
        path = self.folder / f"{name}.f32"
        if path.exists() and path.stat().st_size == 4 * shape[0] * shape[1]:
            return FileLayer(path, shape)
        return FileLayer.create(path, shape)

    def finish(self, tile: int) -> None:
        """Adds a tile to the journal."""
        with (self.folder / FINISHED).open("a", encoding="ascii") as stream:
            stream.write(f"{tile}\n")
