"""The images that a result was made of, if they are still there and still the same.

A record is data that others may have written: what it names is opened only after its content has
been found to be what the record says, by SHA-256. So it shows nobody anything that whoever wrote
the record did not have.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32

from metriccd.errors import MetricCDError
from metriccd.pair import colors_of, read_pair
from metriccd.raster import Grid, Raster, Window
from metriccd.result import sha256_of

Colors = tuple[Float32[np.ndarray, "3 row col"], Bool[np.ndarray, "row col"]]
DATES = ("t1", "t2")
# Windows of a date that tell its brightness, along a side, and pixels of a window's side.
SAMPLES, SAMPLE = 5, 128
# Of all values of both dates: what is black, and what is white.
PERCENTILES = (2, 98)


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """Which values of red, green and blue are black and white.

    Attributes:
        low: Black, of each.
        high: White, of each.
    """

    low: Float32[np.ndarray, " color"]
    high: Float32[np.ndarray, " color"]

    @classmethod
    def of(cls, values: Float32[np.ndarray, "3 pixel"]) -> Stretch:
        """Between percentiles of pixels."""
        if not values.shape[1]:
            return cls(low=np.zeros(3, np.float32), high=np.ones(3, np.float32))
        low, high = np.percentile(values, PERCENTILES, axis=1).astype(np.float32)
        return cls(low=low, high=np.where(high > low, high, low + 1).astype(np.float32))

    def applied(self, image: Float32[np.ndarray, "3 row col"]) -> Float32[np.ndarray, "3 row col"]:
        """An image in [0, 1]."""
        low, high = self.low[:, None, None], self.high[:, None, None]
        return np.clip((image - low) / (high - low), 0, 1).astype(np.float32)


@dataclass(frozen=True, kw_only=True)
class Originals:
    """Both dates as they were compared, but for masks.

    Attributes:
        rasters: t1 and t2.
        rgb: Positions of red, green and blue among their bands.
        moves: Rows and columns by which the grid is moved to read each.
        stretches: "one" for both dates alike, "each" for each by itself; of t1 and t2.
    """

    rasters: tuple[Raster, Raster]
    rgb: tuple[int, int, int]
    moves: tuple[tuple[float, float], tuple[float, float]]
    stretches: Mapping[str, tuple[Stretch, Stretch]] = field(default_factory=dict, repr=False)

    @contextmanager
    def reader(self, date: str, grid: Grid, step: int = 1) -> Iterator[Callable[[Window], Colors]]:
        """Yields a function from a window of the grid, `step` times coarser, to red, green, blue.

        Args:
            date: "t1" or "t2".
            grid: The result's.
            step: How many pixels along a side make one.
        """
        number = DATES.index(date)
        row, col = self.moves[number]
        place = (grid.moved(row, col) if row or col else grid).coarser(step)
        with self.rasters[number].reader(place) as read:

            def colors(window: Window) -> Colors:
                pixels, valid = read(window)
                return colors_of(pixels, self.rgb), valid

            yield colors


def find_originals(record: Mapping[str, Any], grid: Grid) -> Originals | str:
    """The images of a result, or why they cannot be shown.

    It reads all their bytes, which takes seconds for gigabytes.

    Args:
        record: As in `run.json`.
        grid: The result's.
    """
    try:
        inputs = [record["inputs"][date] for date in DATES]
        return _changed(inputs) or _stretched(_opened(inputs, record["settings"]), grid)
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


def _opened(inputs: Sequence[Mapping[str, Any]], settings: Mapping[str, Any]) -> Originals:
    """Both dates, t2 where it was moved to."""
    pair = read_pair(
        *(str(each["path"]) for each in inputs),
        bands=settings["bands"],
        rgb=settings["rgb"],
        nodata=settings.get("nodata"),
    )
    shift = (0.0, 0.0)
    if settings.get("coregistered") in {"global", "local"}:
        shift = float(settings["shift rows"]), float(settings["shift columns"])
    return Originals(rasters=(pair.t1, pair.t2), rgb=pair.rgb, moves=((0.0, 0.0), shift))


def _is_of(path: str, files: list[str]) -> bool:
    """Whether an image is one of its files, or the folder of all of them."""
    real = os.path.realpath(path)
    places = {os.path.realpath(file) for file in files}
    return real in places or {os.path.dirname(place) for place in places} == {real}  # noqa: PTH120


def _stretched(originals: Originals, grid: Grid) -> Originals:
    """With the stretches of both dates, from windows all over the scene."""
    values = []
    rows, cols = (np.linspace(0, max(side - SAMPLE, 0), SAMPLES).astype(int) for side in grid.shape)
    corners = {(int(row), int(col)) for row in rows for col in cols}
    for date in DATES:
        found = [np.empty((3, 0), np.float32)]
        with originals.reader(date, grid) as read:
            for row, col in sorted(corners):
                height, width = min(SAMPLE, grid.height - row), min(SAMPLE, grid.width - col)
                pixels, valid = read(Window(row=row, col=col, height=height, width=width))
                found.append(pixels[:, valid])
        values.append(np.concatenate(found, axis=1))
    one, other = (Stretch.of(each) for each in values)
    both = Stretch.of(np.concatenate(values, axis=1))
    return Originals(
        rasters=originals.rasters,
        rgb=originals.rgb,
        moves=originals.moves,
        stretches={"one": (both, both), "each": (one, other)},
    )
