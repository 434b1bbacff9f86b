"""Passes over a scene: what is done tile by tile, by one process or by several."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from jaxtyping import Float

from metriccd.pair import Block, Source
from metriccd.raster import Window
from metriccd.scene.layer import Layer
from metriccd.scene.tiles import Tile
from metriccd.scene.workers import map_ahead, workers
from metriccd.scene.workspace import Workspace
from metriccd.stages import Stages

Found = TypeVar("Found")


@dataclass(frozen=True, kw_only=True)
class Pass:
    """A pass over a scene; tiles whose layers hold them are not done again.

    Attributes:
        name: Of the stage.
        source: The pair.
        tiles: All of them, row by row.
        measure: A tile and its pixels, with context → values for each layer.
        layers: Where they go; a tile is done that all of them hold.
        workspace: That the layers are of.
    """

    name: str
    source: Source
    tiles: Sequence[Tile]
    measure: Callable[[Tile, Block], Sequence[Float[np.ndarray, "_row _col"]]]
    layers: Sequence[Layer] = field(repr=False)
    workspace: Workspace = field(repr=False)

    @property
    def remaining(self) -> list[int]:
        """Numbers of the tiles that are to be done."""
        # After a loss of power one may lack what the others have.
        return [
            number
            for number in range(len(self.tiles))
            if not all(layer.holds(number) for layer in self.layers)
        ]

    def run(self, stages: Stages, numbers: Collection[int] | None = None) -> None:
        """Does what remains.

        Args:
            stages: Records time and reports progress.
            numbers: Of the tiles that are this process's share; all by default.
        """
        share = range(len(self.tiles)) if numbers is None else sorted(numbers)
        left = set(self.remaining)
        todo = [number for number in share if number in left]
        blocks = read_ahead(self.source, [self.tiles[number].padded for number in todo])
        with (
            stages.stage(self.name, len(share)) as advance,
            closing(blocks),
            workers(len(todo)) as pool,
        ):
            advance(len(share) - len(todo))
            items = zip((self.tiles[number] for number in todo), blocks, strict=True)
            found = map_ahead(lambda item: self.measure(*item), items, pool=pool)
            for number, values in zip(todo, found, strict=True):
                self.workspace.admit(self.source.seen)
                for layer, each in zip(self.layers, values, strict=True):
                    layer.write(number, each)
                advance(1)


def finished(passes: Generator[Pass, None, Found], stages: Stages) -> Found:
    """Does passes one after the other, each to its end, and returns what comes of them."""
    while True:
        try:
            each = next(passes)
        except StopIteration as end:
            found: Found = end.value
            return found
        each.run(stages)


def read_ahead(source: Source, windows: Iterable[Window]) -> Generator[Block, None, None]:
    """Blocks in order; the next one is read while the last one is worked on.

    Files must be read in the thread that opened them, so the reader lives in the other one.
    """
    with ThreadPoolExecutor(max_workers=1) as thread:
        context = thread.submit(source.reader).result()
        read = thread.submit(context.__enter__).result()
        try:
            yield from map_ahead(read, windows, pool=thread, ahead=1)
        finally:
            thread.submit(context.__exit__, None, None, None).result()
