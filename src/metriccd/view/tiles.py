"""Tiles: pictures of both dates, and numbers of score and classes that the page itself colors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import cache
from io import BytesIO

import numpy as np
from jaxtyping import Bool, Float32, UInt8
from PIL import Image

from metriccd.raster import Grid, Raster, Window
from metriccd.view.crew import kept
from metriccd.view.originals import DATES, Originals
from metriccd.view.pyramid import TILE, Tile
from metriccd.view.scene import CLASSES, Scene

Pixels = tuple[Float32[np.ndarray, "band row col"], Bool[np.ndarray, "row col"]]
Read = Callable[[Window, int], Pixels]
# A score s is the number 1 + ⌈s · TOP⌉ of two bytes; 0 is no data.
TOP = 65_534
# The page reads numbers as heights, of which this many are added.
SHIFT = 32_768
NODATA = 255


class Tiles:
    """Tiles of a scene, read on the fly; each thread has files of its own."""

    def __init__(self, scene: Scene) -> None:
        """Of a scene."""
        self._scene = scene

    def picture(self, layer: str, z: int, x: int, y: int, stretch: str = "one") -> bytes:
        """A tile as PNG; where the scene is not, it is transparent, or no data.

        Args:
            layer: "t1", "t2", "score", "change" or "kind".
            z: Zoom.
            x: Column.
            y: Row.
            stretch: "one" for both dates alike, "each" for each by itself.

        Raises:
            DataError: The file cannot be read.
        """
        tile = self._scene.pyramid.tile(z, x, y)
        window = None if tile is None else self._scene.pyramid.window(tile)
        if tile is None or window is None:
            return _empty(layer)
        if layer in DATES:
            return self._date(layer, tile, window, stretch)
        values, valid = self.read(layer, window, tile.step)
        if layer == "score":
            return encode_score(values[0], valid)
        return encode_classes(np.where(valid, values[0], NODATA).astype(np.uint8))

    def _date(self, date: str, tile: Tile, window: Window, stretch: str) -> bytes:
        values, valid = self.read(date, window, tile.step)
        found = self._scene.originals
        if isinstance(found, Originals):
            image = found.stretches[stretch][DATES.index(date)].applied(values)
            return encode_colors(np.rint(255 * image).astype(np.uint8), valid)
        return encode_colors(np.clip(values[:3], 0, 255).astype(np.uint8), valid)

    def read(self, layer: str, window: Window, step: int) -> Pixels:
        """Pixels of a layer, so many times coarser, and where they are valid."""
        scene, found = self._scene, self._scene.originals
        original = layer in DATES and isinstance(found, Originals)

        def opening() -> AbstractContextManager[Read]:
            if layer in DATES and isinstance(found, Originals):
                return found.reader(layer)
            raster = scene.rasters[layer]
            if layer in DATES:
                return _viewed(raster, scene.grid)
            return raster.zoomed(scene.grid, categorical=layer in CLASSES)

        return kept((scene.stamp, scene.folder, layer, original), opening)(window, step)


@contextmanager
def _viewed(raster: Raster, grid: Grid) -> Iterator[Read]:
    """A picture of a date, which is coarser than the grid: it is read at the size that is shown."""
    with ExitStack() as stack:
        opened: dict[int, Callable[[Window], Pixels]] = {}

        def read(window: Window, step: int) -> Pixels:
            if step not in opened:
                opened[step] = stack.enter_context(raster.reader(grid.coarser(step)))
            return opened[step](window)

        yield read


def encode_colors(rgb: UInt8[np.ndarray, "3 row col"], valid: Bool[np.ndarray, "row col"]) -> bytes:
    """A picture, transparent where not valid."""
    height, width = valid.shape
    tile = np.zeros((TILE, TILE, 4), np.uint8)
    tile[:height, :width, :3] = np.moveaxis(rgb, 0, -1)
    tile[:height, :width, 3] = 255 * valid
    return _png(Image.fromarray(tile))


def encode_score(
    score: Float32[np.ndarray, "row col"], valid: Bool[np.ndarray, "row col"]
) -> bytes:
    """Numbers of two bytes in red and green."""
    number = 1 + np.ceil(np.clip(score, 0, 1).astype(np.float64) * TOP)
    number = np.where(valid, number, 0).astype(np.uint16)
    height, width = valid.shape
    tile = np.zeros((TILE, TILE, 3), np.uint8)
    tile[:height, :width, 0] = number >> 8
    tile[:height, :width, 1] = number & 255
    return _png(Image.fromarray(tile))


def encode_classes(values: UInt8[np.ndarray, "row col"]) -> bytes:
    """Classes, from height 0 on: a byte a pixel, and a palette that makes the number of each."""
    height, width = values.shape
    tile = np.full((TILE, TILE), NODATA, np.uint8)
    tile[:height, :width] = values
    picture = Image.fromarray(tile)
    picture.putpalette([part for value in range(256) for part in (SHIFT >> 8, value, 0)])
    return _png(picture)


@cache
def _empty(layer: str) -> bytes:
    nothing = np.zeros((1, 1), bool)
    if layer in DATES:
        return encode_colors(np.zeros((3, 1, 1), np.uint8), nothing)
    if layer == "score":
        return encode_score(np.zeros((1, 1), np.float32), nothing)
    return encode_classes(np.full((1, 1), NODATA, np.uint8))


def _png(picture: Image.Image) -> bytes:
    buffer = BytesIO()
    picture.save(buffer, "png", compress_level=1)
    return buffer.getvalue()
