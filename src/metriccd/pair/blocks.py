"""Pixels of both images, and where a method reads them from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float32

from metriccd.raster import Window

MIN_VALID = 64


class Block(NamedTuple):
    """Pixels of a window of both images.

    Attributes:
        t1: First image (band, row, col), float32; 0 where not valid.
        t2: Second image, on the first one's grid.
        valid: True where both images hold data and no mask excludes the pixel.
    """

    t1: Float32[np.ndarray, "band row col"]
    t2: Float32[np.ndarray, "band row col"]
    valid: Bool[np.ndarray, "row col"]


@runtime_checkable
class Source(Protocol):
    """Where a method reads a pair from: all of it block by block, or any window."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""

    @property
    def seen(self) -> frozenset[str]:
        """What was come upon while pixels were read, see `ImagePair.seen`."""

    def __iter__(self) -> Iterator[Block]:
        """Blocks that cover the pair; iterate once for each pass."""

    def reader(self) -> AbstractContextManager[Callable[[Window], Block]]:
        """A context that yields a function from a window to its pixels."""


@dataclass(frozen=True, kw_only=True)
class ArrayPair:
    """A pair in memory as a source, in one block.

    Attributes:
        block: All of it.
    """

    block: Block

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        height, width = self.block.valid.shape
        return height, width

    @property
    def seen(self) -> frozenset[str]:
        """Nothing: whoever made the arrays looked."""
        return frozenset()

    def __iter__(self) -> Iterator[Block]:
        yield self.block

    @contextmanager
    def reader(self) -> Iterator[Callable[[Window], Block]]:
        """A context that yields a function from a window to its pixels."""
        yield lambda window: Block(*(each[..., *window.slices] for each in self.block))


class Contents:
    """What is known of a pair's pixels so far.

    Attributes:
        count: Valid pixels.
        contrast: Whether each image has two different pixels.
        differ: Whether the images do.
    """

    def __init__(self) -> None:
        self.count, self.contrast, self.differ = 0, [False, False], False
        self._first: list[Float32[np.ndarray, "band 1"] | None] = [None, None]

    @property
    def comparable(self) -> bool:
        """True once nothing that is read later can make the pair incomparable."""
        return self.count >= MIN_VALID and all(self.contrast) and self.differ

    def add(self, block: Block) -> None:
        """Looks at the pixels of a block."""
        if not block.valid.any():
            return
        t1, t2 = block.t1[:, block.valid], block.t2[:, block.valid]
        self.count += t1.shape[1]
        self.differ = self.differ or not np.array_equal(t1, t2)
        for date, pixels in enumerate((t1, t2)):
            first = self._first[date]
            first = self._first[date] = pixels[:, :1] if first is None else first
            self.contrast[date] = self.contrast[date] or bool((pixels != first).any())
