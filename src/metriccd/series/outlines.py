"""Outlines of what changed in a series: an object has one date."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float32, UInt8

from metriccd.gis import classed_qml, polygons_sld
from metriccd.raster import Grid, Window, open_raster
from metriccd.result import Polygons, add_styles, scene_polygons, write_polygons
from metriccd.series.history import GRADUAL, TRANSIENT, WORDS
from metriccd.series.order import Dated
from metriccd.series.rasters import CHANGES, COLORS, FIRST, PERSISTENCE, Counts

PACKAGE = "series.gpkg"
MEASURED = ("area_m2", "perimeter_m", "pixels", "compactness")
Layers = dict[str, UInt8[np.ndarray, "row col"]]
# From the kind of each pixel, the image of its first change and that which alone differed, to what
# is of an object.
Choose = Callable[[Layers], Bool[np.ndarray, "row col"]]


def write_outlines(
    folder: Path, grid: Grid, series: Sequence[Dated], counts: Counts, least: int
) -> Polygons:
    """Writes the objects of a series, of the rasters in the same folder.

    Args:
        folder: Where to.
        grid: Of the rasters.
        series: The images, in the order of time.
        counts: What was counted of them.
        least: Pixels of the smallest object that is outlined.

    Returns:
        Columns `id`, `change` (persistent, new …), `first_date` (of the change; empty where no date
        tells), `image` (its number from 1; 0 likewise), `changes`, and those of `detect`.
    """
    parts = []
    with _reader(folder, grid, series) as read:
        for number, choose in _objects(counts):
            found = scene_polygons(
                partial(_chosen, read, choose),
                grid,
                others={name: partial(_layer, read, name) for name in ("became", "changes")},
            )
            parts.append(found[found["pixels"] >= least].assign(image=number))
    table = pd.concat(parts, ignore_index=True) if parts else _nothing(grid)
    table = table.sort_values("pixels", ascending=False, kind="stable", ignore_index=True)
    when = [None if each.when is None else each.when.time.replace(tzinfo=None) for each in series]
    days = np.array([None, *when], "datetime64[ms]")
    columns = {
        "id": np.arange(1, len(table) + 1),
        "change": np.array([WORDS[kind] for kind in table["became"].astype(int)], object),
        "first_date": days[table["image"].to_numpy(int)],
        "image": table["image"].to_numpy(int),
        "changes": table["changes"].to_numpy(int),
        **{name: table[name].to_numpy() for name in MEASURED},
    }
    outlined = table[[table.geometry.name]].assign(**columns)[[*columns, table.geometry.name]]
    write_polygons(outlined, folder / PACKAGE, layer="series")
    colors = {WORDS[value]: color for value, color in COLORS.items()}
    style = classed_qml("change", colors)
    add_styles(folder / PACKAGE, [("series", style, polygons_sld("series", "changes of a series"))])
    return outlined


def _objects(counts: Counts) -> Iterator[tuple[int, Choose]]:
    """The image of a change, and which pixels belong to objects of it."""
    for number in np.flatnonzero(counts.dates.pixels[1:]).tolist():
        yield number + 1, partial(_is, "first", number + 1)
    if counts.kinds.pixels[GRADUAL]:
        yield 0, partial(_is, "became", GRADUAL)
    if counts.kinds.pixels[TRANSIENT]:
        for number in np.flatnonzero(counts.passed).tolist():
            yield number + 1, partial(_passed, number + 1)


def _is(name: str, value: int, layers: Layers) -> Bool[np.ndarray, "row col"]:
    return np.asarray(layers[name] == value)


def _passed(number: int, layers: Layers) -> Bool[np.ndarray, "row col"]:
    return np.asarray((layers["became"] == TRANSIENT) & (layers["odd"] == number))


def _chosen(
    read: Callable[[Window], Layers], choose: Choose, window: Window
) -> tuple[Bool[np.ndarray, "row col"], Float32[np.ndarray, "row col"]]:
    change = choose(read(window))
    # An object of a series has no score: each of its comparisons has one.
    return change, np.full(change.shape, 0.5, np.float32)


def _layer(
    read: Callable[[Window], Layers], name: str, window: Window
) -> UInt8[np.ndarray, "row col"]:
    return read(window)[name]


def _nothing(grid: Grid) -> Polygons:
    """A table without objects."""

    def never(window: Window) -> tuple[Bool[np.ndarray, "row col"], Float32[np.ndarray, "row col"]]:
        shape = (window.height, window.width)
        return np.zeros(shape, np.bool_), np.zeros(shape, np.float32)

    return scene_polygons(never, grid).assign(image=0, became=0, changes=0)


@contextmanager
def _reader(
    folder: Path, grid: Grid, series: Sequence[Dated]
) -> Iterator[Callable[[Window], Layers]]:
    """Yields a function that reads a window of the rasters that are written."""
    stamps = np.array([each.stamp for each in series])
    with (
        open_raster(folder / FIRST).reader(grid, categorical=True) as dates,
        open_raster(folder / PERSISTENCE).reader(grid, categorical=True) as kinds,
        open_raster(folder / CHANGES).reader(grid, categorical=True) as numbers,
    ):

        def read(window: Window) -> Layers:
            found, _ = dates(window)
            kind, there = kinds(window)
            changes, _ = numbers(window)
            first, odd = (
                np.where(np.isin(band, stamps), np.searchsorted(stamps, band) + 1, 0)
                for band in found
            )
            layers = {"became": kind[0], "changes": changes[0], "first": first, "odd": odd}
            return {
                name: np.where(there, values, 0).astype(np.uint8) for name, values in layers.items()
            }

        yield read
