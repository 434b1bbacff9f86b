"""Evidence: the results of all pairs, read by windows of one grid."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from metriccd.decision import log_odds
from metriccd.output import RECORD
from metriccd.raster import Grid, Window, open_raster
from metriccd.series.history import Evidence, Pair


@dataclass(frozen=True, kw_only=True)
class Compared:
    """The result of a pair on disk.

    Attributes:
        pair: Numbers of its images, from 0.
        folder: Where it lies.
        record: Its `run.json`.
    """

    pair: Pair
    folder: Path
    record: Mapping[str, Any] = field(repr=False)

    @classmethod
    def of(cls, pair: Pair, folder: Path) -> Compared:
        """The result in a folder that `detect_into` has written."""
        text = (folder / RECORD).read_text(encoding="utf-8")
        return cls(pair=pair, folder=folder, record=json.loads(text))

    @property
    def grid(self) -> Grid:
        """Where its pixels lie."""
        return open_raster(self.folder / "score.tif").grid

    @property
    def share(self) -> float:
        """Changed share of the valid pixels."""
        return float(self.record["changed_pixels"] / max(self.record["valid_pixels"], 1))


def united(results: Sequence[Compared]) -> Grid:
    """The smallest grid that holds all results, which lie on one lattice of pixels."""
    grids = [each.grid for each in results]
    places = [grid.offset_in(grids[0]) or (0, 0) for grid in grids]
    top, left = (min(place[axis] for place in places) for axis in (0, 1))
    bottom = max(place[0] + grid.height for place, grid in zip(places, grids, strict=True))
    right = max(place[1] + grid.width for place, grid in zip(places, grids, strict=True))
    return replace(
        grids[0].crop(Window(row=top, col=left, height=bottom - top, width=right - left))
    )


@contextmanager
def evidence_reader(
    results: Sequence[Compared], grid: Grid
) -> Iterator[Callable[[Window], Evidence]]:
    """Yields a function that reads what all pairs say about a window of a grid."""
    with ExitStack() as stack:
        readers = [
            tuple(
                stack.enter_context(open_raster(each.folder / name).reader(grid, categorical=True))
                for name in ("score.tif", "change.tif")
            )
            for each in results
        ]
        edges = [
            log_odds(np.array([each.record["threshold"]["value"]], np.float32))[0]
            for each in results
        ]

        def read(window: Window) -> Evidence:
            shape = (len(results), window.height, window.width)
            change, margin = np.zeros(shape, np.bool_), np.full(shape, np.nan, np.float32)
            for k, ((scores, maps), edge) in enumerate(zip(readers, edges, strict=True)):
                (score, valid), (changed, _) = scores(window), maps(window)
                margin[k][valid] = log_odds(score[0][valid]) - edge
                change[k] = valid & (changed[0] == 1)
            return Evidence(pairs=[each.pair for each in results], change=change, margin=margin)

        yield read
