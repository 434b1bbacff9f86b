"""The rasters of a series, written in one pass, and what is counted meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int32, Int64, UInt8
from matplotlib import colormaps

from metriccd.gis import classes_qml
from metriccd.raster import CogLayer, Grid, Window, cog_writer, write_categories
from metriccd.result import Census
from metriccd.scene import Maximum
from metriccd.series.history import (
    GRADUAL,
    NEW,
    PERSISTENT,
    SAME,
    TRANSIENT,
    UNDONE,
    UNKNOWN,
    WORDS,
    Evidence,
    History,
    history,
)
from metriccd.series.order import Dated
from metriccd.stages import Stages

# Side of the windows: of each, all pairs are held at once.
SIDE = 1024
FIRST, CHANGES, PERSISTENCE = "first_change.tif", "changes.tif", "persistence.tif"
# In place of a date: no change, a change of which no two neighbors tell when, no data.
NEVER, SOMETIME, NO_DATE = 0, 1, -99_999
Color = tuple[int, int, int]
COLORS: dict[int, Color] = {
    PERSISTENT: (240, 0, 140),
    NEW: (255, 140, 0),
    UNDONE: (0, 114, 178),
    GRADUAL: (0, 158, 115),
    TRANSIENT: (240, 228, 66),
}
# Of several pixels, pictures show the one that says most.
RANKS = np.array([SAME, TRANSIENT, GRADUAL, UNDONE, NEW, PERSISTENT], np.uint8)


@dataclass(kw_only=True)
class Counts:
    """What is counted of a series.

    Attributes:
        kinds: Pixels and areas of `PERSISTENT` and so on.
        dates: Of first changes, by the number of their image.
        lasted: Of each image, pixels into which a lasting change led.
        passed: Of each image, pixels in which it alone differed.
        torn: Of each image, pixels in which comparisons around it contradict each other.
        seen: Overview of the kinds, by rank.
        earliest: Overview of the first changes: images left from then on; NaN without data.
    """

    kinds: Census = field(default_factory=Census)
    dates: Census = field(default_factory=Census)
    lasted: Int64[np.ndarray, " image"]
    passed: Int64[np.ndarray, " image"]
    torn: Int64[np.ndarray, " image"]
    seen: Maximum
    earliest: Maximum

    @classmethod
    def of(cls, images: int, shape: tuple[int, int]) -> Counts:
        """Nothing counted yet of so many images of `shape` (rows, cols)."""
        return cls(
            lasted=np.zeros(images, np.int64),
            passed=np.zeros(images, np.int64),
            torn=np.zeros(images, np.int64),
            seen=Maximum.of(shape),
            earliest=Maximum.of(shape),
        )

    def add(self, window: Window, found: History, grid: Grid) -> None:
        """Counts a window."""
        areas = grid.pixel_areas(window)
        self.kinds.add(found.kind, areas)
        self.dates.add(found.first, areas)
        self.lasted += found.lasted
        self.passed += found.passed
        self.torn += found.torn
        there, nothing = found.kind != UNKNOWN, np.float32(np.nan)
        ranks = np.argsort(RANKS).astype(np.float32)
        self.seen.add(window, np.where(there, ranks[np.where(there, found.kind, SAME)], nothing))
        left = np.where(found.first > 0, len(self.lasted) + 1.0 - found.first, 0.0)
        self.earliest.add(window, np.where(there, left, nothing).astype(np.float32))

    @property
    def kind_picture(self) -> UInt8[np.ndarray, "row col"]:
        """The overview of the kinds; `UNKNOWN` without data."""
        there = ~np.isnan(self.seen.array)
        ranks = np.nan_to_num(self.seen.array).astype(int)
        return np.where(there, RANKS[ranks], np.uint8(UNKNOWN))

    @property
    def date_picture(self) -> Float32[np.ndarray, "row col"]:
        """The overview of first changes: numbers of images, 0 never, NaN without data."""
        left = self.earliest.array
        numbers: Float32[np.ndarray, "row col"] = np.where(
            left > 0, len(self.lasted) + 1 - left, left
        ).astype(np.float32)
        return numbers


def write_rasters(
    folder: Path,
    grid: Grid,
    read: Callable[[Window], Evidence],
    series: Sequence[Dated],
    stages: Stages,
) -> Counts:
    """Writes the rasters of a series, and counts.

    Args:
        folder: Where to.
        grid: Theirs.
        read: What the pairs say about a window.
        series: The images, in the order of time.
        stages: Reports progress.
    """
    counts = Counts.of(len(series), grid.shape)
    windows = list(grid.windows(SIDE))
    layers = layers_of(series)
    stamps = np.array([NEVER, *(each.stamp for each in series)], np.int32)
    with stages.stage("series", len(windows)) as advance, ExitStack() as stack:
        writers = {
            name: stack.enter_context(cog_writer(folder / name, grid, layer))
            for name, layer in layers.items()
        }
        for window in windows:
            found = history(read(window), len(series))
            counts.add(window, found, grid)
            writers[FIRST](window, _dates(found, stamps))
            writers[PERSISTENCE](window, found.kind[np.newaxis])
            writers[CHANGES](window, _numbers(found))
            advance(1)
    write_categories(folder / PERSISTENCE, list(WORDS.values()))
    for name, text in styles(series).items():
        (folder / name).write_text(text, encoding="utf-8")
    return counts


def _dates(found: History, stamps: Int32[np.ndarray, " image"]) -> Int32[np.ndarray, "2 row col"]:
    first = np.where(found.kind == GRADUAL, np.int32(SOMETIME), stamps[found.first])
    dates = np.stack([first, stamps[found.odd]])
    return np.where(found.kind == UNKNOWN, np.int32(NO_DATE), dates).astype(np.int32)


def _numbers(found: History) -> UInt8[np.ndarray, "3 row col"]:
    nothing = found.kind == UNKNOWN
    changes, transient = (
        np.where(nothing, np.uint8(UNKNOWN), each) for each in (found.changes, found.transient)
    )
    return np.stack([changes, transient, found.observations]).astype(np.uint8)


def layers_of(series: Sequence[Dated]) -> dict[str, CogLayer]:
    """What the rasters hold and say of themselves."""
    common = {
        "TIFFTAG_SOFTWARE": f"metriccd {version('metriccd')}",
        "DATES": ",".join(each.name for each in series),
    }
    unit = "image number" if series[0].when is None else "days since 1970-01-01"
    told = f"{unit} of the first lasting change; {NEVER} no change, {SOMETIME} no date tells when"
    return {
        FIRST: CogLayer(
            dtype="int32",
            nodata=NO_DATE,
            bands=("first change", "first transient"),
            overviews="mode",
            tags=common | {"TIFFTAG_IMAGEDESCRIPTION": told},
        ),
        CHANGES: CogLayer(
            dtype="uint8",
            nodata=UNKNOWN,
            bands=("changes", "transient", "observations"),
            overviews="mode",
            tags=common
            | {"TIFFTAG_IMAGEDESCRIPTION": "lasting changes, images that differed alone"},
        ),
        PERSISTENCE: CogLayer(
            dtype="uint8",
            nodata=UNKNOWN,
            bands=("persistence",),
            overviews="mode",
            colors={SAME: (255, 255, 255, 0), UNKNOWN: (0, 0, 0, 0)}
            | {value: (*color, 255) for value, color in COLORS.items()},
            tags=common | {f"persistence_{value}": word for value, word in WORDS.items()},
        ),
    }


def date_colors(images: int) -> list[Color]:
    """A color for each image into which a change may lead, from dark to bright."""
    shades = colormaps["viridis"](np.linspace(0.0, 1.0, max(images - 1, 1)), bytes=True)
    return [(int(red), int(green), int(blue)) for red, green, blue, _ in shades]


def styles(series: Sequence[Dated]) -> Mapping[str, str]:
    """Styles of QGIS, by the name of their file."""
    clear = (255, 255, 255, 0)
    days = {each.stamp: each.name for each in series[1:]}
    shades = dict(zip(days, date_colors(len(series)), strict=True))
    dates = {NEVER: clear, SOMETIME: (*COLORS[GRADUAL], 255)}
    dates |= {stamp: (*color, 255) for stamp, color in shades.items()}
    steps = colormaps["YlOrRd"](np.linspace(0.3, 1.0, len(series) - 1), bytes=True)
    counts = {0: clear} | {
        number: (int(red), int(green), int(blue), 255)
        for number, (red, green, blue, _) in enumerate(steps, start=1)
    }
    kinds = {SAME: clear} | {value: (*color, 255) for value, color in COLORS.items()}
    return {
        "first_change.qml": classes_qml(
            {NEVER: "no change", SOMETIME: "gradual, no date"} | days, dates
        ),
        "changes.qml": classes_qml([str(number) for number in counts], counts),
        "persistence.qml": classes_qml(list(WORDS.values()), kinds),
    }
