"""Windows that stand for a scene, so that fitting costs the same whatever its size."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from metriccd.errors import DataError
from metriccd.pair import MIN_VALID, Block, Source
from metriccd.raster import Window
from metriccd.stages import Stages

# A scene of no more pixels than this stands for itself.
PIXELS = 2**21
# Side of a window of a larger scene.
SIDE = 256
# A window counts as good where this share of it is valid.
GOOD = 0.5
# Rounds of windows looked at for good ones.
ROUNDS = 4


def representative(source: Source, *, seed: int = 0, stages: Stages | None = None) -> list[Block]:
    """The whole scene where it is small, else windows spread over it: `PIXELS` pixels at most.

    Each window lies at a random place in a cell of its own of a regular lattice; where that is
    mostly nodata another one is taken.

    Args:
        source: The pair.
        seed: Of the places.
        stages: Records time and reports progress.

    Raises:
        DataError: Too few of the pixels looked at are valid.
    """
    height, width = source.shape
    if height * width <= PIXELS:
        with source.reader() as read:
            blocks = [read(Window.whole(source.shape))]
    else:
        blocks = _spread(source, np.random.default_rng(seed), stages or Stages())
    count = sum(int(block.valid.sum()) for block in blocks)
    if count < MIN_VALID:
        raise DataError(
            f"at least {MIN_VALID} pixels must be valid in both images: got {count} in "
            f"{len(blocks)} windows all over them; check nodata, masks and overlap"
        )
    return blocks


def _spread(source: Source, random: np.random.Generator, stages: Stages) -> list[Block]:
    count = PIXELS // SIDE**2
    good: list[Block] = []
    poor: list[Block] = []
    with stages.stage("sample", count) as advance, source.reader() as read:
        for _ in range(ROUNDS):
            for window in _windows(source.shape, count, random):
                block = read(window)
                if block.valid.mean() >= GOOD:
                    good.append(block)
                    advance(1)
                else:
                    poor.append(block)
                if len(good) == count:
                    return good
    poor.sort(key=lambda block: -int(block.valid.sum()))
    usable = [block for block in poor if block.valid.any()]
    return good + usable[: count - len(good)]


def _windows(shape: tuple[int, int], count: int, random: np.random.Generator) -> Iterator[Window]:
    """As many windows as wanted, one a cell, in random order of the cells."""
    height, width = (min(SIDE, side) for side in shape)
    rows = min(max(round((count * shape[0] / shape[1]) ** 0.5), 1), count)
    cols = -(-count // rows)
    for cell in random.permutation(rows * cols)[:count]:
        row, col = divmod(int(cell), cols)
        top = (shape[0] - height) * (row + random.random()) / rows
        left = (shape[1] - width) * (col + random.random()) / cols
        yield Window(row=round(top), col=round(left), height=height, width=width)
