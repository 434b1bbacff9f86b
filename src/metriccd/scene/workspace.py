"""Where a detection keeps what it has found: in memory, or in files that survive it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
from torch import nn

from metriccd.scene.layer import FileLayer, Layer, MemoryLayer
from metriccd.storage import restored, store

Made = TypeVar("Made")
# Name of the fitted method.
FIT = "fit"
SEEN = "seen "


@runtime_checkable
class Workspace(Protocol):
    """Layers and values by name, which an interrupted run may have left."""

    @property
    def seen(self) -> frozenset[str]:
        """What was come upon while pixels of the tiles were read."""

    def holds(self, name: str) -> bool:
        """Whether there is a value of this name."""

    def keep(
        self, name: str, make: Callable[[], Made], network: Callable[[], nn.Module] | None = None
    ) -> Made:
        """The value of this name, made where it is not there.

        Args:
            name: Of the value.
            make: Makes it, of nothing but what is `storable`.
            network: Makes the network in it, which is not kept.
        """

    def layer(self, name: str, shape: tuple[int, int], side: int) -> Layer:
        """The layer of this name, in tiles of this side."""

    def admit(self, seen: frozenset[str]) -> None:
        """Before a tile is written: notes what was come upon, also while others were read."""


@dataclass(frozen=True)
class Memory:
    """Layers in memory; nothing is left of an earlier run."""

    seen: frozenset[str] = frozenset()

    def holds(self, _name: str) -> bool:
        """Nothing is."""
        return False

    def keep(
        self, _name: str, make: Callable[[], Made], network: Callable[[], nn.Module] | None = None
    ) -> Made:
        """A value, made."""
        del network
        return make()

    def layer(self, _name: str, shape: tuple[int, int], side: int) -> MemoryLayer:
        """A new layer, NaN everywhere."""
        return MemoryLayer(np.full(shape, np.nan, np.float32), side)

    def admit(self, seen: frozenset[str]) -> None:
        """Nothing needs to be noted."""


@dataclass(frozen=True)
class Files:
    """Layers and values in files of a folder, which several processes may share.

    Attributes:
        folder: An existing folder; what an interrupted run left in it is used.
        guard: Called before anything is kept; raises where what was read is no longer what it was.
        key: What tells the run from others, whose values are made anew.
    """

    folder: Path
    guard: Callable[[], None] = lambda: None
    key: str = ""

    @property
    def seen(self) -> frozenset[str]:
        """What was come upon while pixels of the tiles were read."""
        return frozenset(path.name.removeprefix(SEEN) for path in self.folder.glob(f"{SEEN}*"))

    def holds(self, name: str) -> bool:
        """Whether there is a value of this name."""
        return self._value(name).is_file()

    def keep(
        self, name: str, make: Callable[[], Made], network: Callable[[], nn.Module] | None = None
    ) -> Made:
        """The value of this name, made and written where it is not there.

        What was made is read back, so that a run that goes on has the very same.
        """
        own = [self.key, name]
        try:
            found: Made = self._kept(name, own, network)
        except ValueError:
            made = make()
            self.guard()
            store([own, made], self._value(name))
            found = self._kept(name, own, network)
        return found

    def layer(self, name: str, shape: tuple[int, int], side: int) -> FileLayer:
        """The layer in a folder of this name."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        return FileLayer(folder, shape, side)

    def admit(self, seen: frozenset[str]) -> None:
        """Before a tile is written: notes what was come upon, also while others were read."""
        self.guard()
        for what in seen:
            (self.folder / f"{SEEN}{what}").touch()

    def _kept(self, name: str, own: list[str], network: Callable[[], nn.Module] | None) -> Any:
        """What is kept under a name; raises ValueError where it is not this run's."""
        told = restored(self._value(name), network)
        if not isinstance(told, list) or told[:1] != [own]:
            raise ValueError(f"a kept value must be of the run that goes on: {name} is not")
        return told[1]

    def _value(self, name: str) -> Path:
        return self.folder / f"{name}.npz"


def left_in(folder: Path) -> bool:
    """Whether a run that was interrupted left anything in a folder of `Files` to go on with."""
    return any(folder.glob("*.npz"))
