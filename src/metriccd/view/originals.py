"""The images that a result was made of, if they are still there and still the same.

A record is data that others may have written: what it names is opened only after its content has
been found to be what the record says, by SHA-256. So it shows nobody anything that whoever wrote
the record did not have.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32

from metriccd.errors import MetricCDError
from metriccd.pair import read_pair
from metriccd.raster import Grid, Raster, Window
from metriccd.report import Stretch
from metriccd.result import sha256_of
from metriccd.scene import LONG_SIDE, block_means, factor_of

Colors = tuple[Float32[np.ndarray, "3 row col"], Bool[np.ndarray, "row col"]]
DATES = ("t1", "t2")
# Rows of a small copy that are read at once.
ROWS = 64


@dataclass(frozen=True, kw_only=True)
class Originals:
    """Both dates as they were compared, but for masks.

    Attributes:
        rasters: t1 and t2, of red, green and blue.
        grids: On which each is read: the result's, moved where t2 was.
        step: How many pixels along a side make one of the small copies.
        small: Small copies, NaN where not valid: few files hold such of their own.
        stretch: As in the report; of the small copies, where the record does not tell.
    """

    rasters: tuple[Raster, Raster]
    grids: tuple[Grid, Grid]
    step: int
    small: tuple[Float32[np.ndarray, "3 row col"], ...] = field(default=(), repr=False)
    stretch: Stretch | None = field(default=None, repr=False)

    @contextmanager
    def reader(self, date: str) -> Iterator[Callable[[Window, int], Colors]]:
        """Yields a function from a window of the result's grid, so many times coarser, to colors.

        Args:
            date: "t1" or "t2".
        """
        number = DATES.index(date)
        with self.rasters[number].zoomed(self.grids[number]) as read:

            def colors(window: Window, step: int) -> Colors:
                if step < self.step or not self.small:
                    return read(window, step)
                return _shrunk(self.small[number], window, step // self.step)

            yield colors

    def copied(self, go_on: Callable[[], bool]) -> Originals:
        """With small copies, and a stretch; not whole where it is not to go on."""
        grid = self.grids[0].coarser(self.step)
        small = np.full((2, 3, *grid.shape), np.nan, np.float32)
        for copy, date in zip(small, DATES, strict=True):
            with self.reader(date) as read:
                for row in range(0, grid.height, ROWS):
                    if not go_on():
                        break
                    height = min(ROWS, grid.height - row)
                    window = Window(row=row, col=0, height=height, width=grid.width)
                    pixels, valid = read(window, self.step)
                    copy[:, *window.slices] = np.where(valid, pixels, np.nan)
        return replace(self, small=tuple(small), stretch=self.stretch or Stretch.of(*small))


def find_originals(
    record: Mapping[str, Any], grid: Grid, go_on: Callable[[], bool] = lambda: True
) -> Originals | str:
    """The images of a result, or why they cannot be shown.

    It reads all their bytes, which takes seconds for gigabytes.

    Args:
        record: As in `run.json`.
        grid: The result's.
        go_on: Asked now and then: waits while others have their turn, and is false when nobody
            wants to know any more.
    """
    try:
        inputs = [record["inputs"][date] for date in DATES]
        found = _changed(inputs) or _opened(inputs, record["settings"], grid)
        if isinstance(found, str):
            return found
        return replace(found, stretch=Stretch.of_record(record)).copied(go_on)
    except (AttributeError, KeyError, TypeError, ValueError, OSError, MetricCDError):
        return "the images cannot be opened as the record says"


def _changed(inputs: Sequence[Mapping[str, Any]]) -> str | None:
    """Why the images are not those of the record; None where they are."""
    for each in inputs:
        names = [str(file["path"]) for file in each["files"]]
        if not names or "stac" in each:
            return "the images are not files of this machine"
        if not _is_of(str(each["path"]), names):
            return "the images are parts of other files"
        for name, file in zip(names, each["files"], strict=True):
            if not os.path.isfile(name):  # noqa: PTH113  # a name of any kind, not yet a path
                return f"{Path(name).name} is not there any more"
            if sha256_of(Path(name)) != file["sha256"]:
                return f"{Path(name).name} has changed since"
    return None


def _is_of(path: str, files: list[str]) -> bool:
    """Whether an image is one of its files, or the folder of all of them."""
    real = os.path.realpath(path)
    places = {os.path.realpath(file) for file in files}
    return real in places or {os.path.dirname(place) for place in places} == {real}  # noqa: PTH120


def _opened(
    inputs: Sequence[Mapping[str, Any]], settings: Mapping[str, Any], grid: Grid
) -> Originals:
    """Both dates, t2 where it was moved to; of a field of shifts the one that all of it shares."""
    pair = read_pair(
        *(str(each["path"]) for each in inputs),
        bands=settings["bands"],
        rgb=settings["rgb"],
        nodata=settings.get("nodata"),
    )
    moved = grid
    if settings.get("coregistered") in {"global", "local"}:
        moved = grid.moved(float(settings["shift rows"]), float(settings["shift columns"]))
    step = 1 << (factor_of(grid.shape, LONG_SIDE) - 1).bit_length()
    return Originals(
        rasters=(_of_colors(pair.t1, pair.rgb), _of_colors(pair.t2, pair.rgb)),
        grids=(grid, moved),
        step=step,
    )


def _of_colors(raster: Raster, rgb: tuple[int, int, int]) -> Raster:
    """Only red, green and blue; where there are fewer bands the last one repeats."""
    bands = [raster.bands[min(band, len(raster.bands) - 1)] for band in rgb]
    return replace(raster, bands=tuple(bands), seen=set())


def _shrunk(image: Float32[np.ndarray, "3 _row _col"], window: Window, factor: int) -> Colors:
    """A window of an image that is made so many times coarser."""
    rows = slice(window.row * factor, (window.row + window.height) * factor)
    cols = slice(window.col * factor, (window.col + window.width) * factor)
    part = image[:, rows, cols]
    means = block_means(part, ~np.isnan(part).any(axis=0), factor)
    return means, ~np.isnan(means).any(axis=0)
