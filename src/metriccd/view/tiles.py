"""Tiles: pictures of both dates, and numbers of score and classes that the page itself colors."""

from __future__ import annotations

from typing import Literal

import numpy as np
from jaxtyping import Bool, Float32

from metriccd.raster import Window
from metriccd.view.crew import kept
from metriccd.view.encoding import NODATA, empty, encode_classes, encode_colors, encode_score
from metriccd.view.originals import DATES, Originals
from metriccd.view.pyramid import Tile
from metriccd.view.scene import CLASSES, Scene

Pixels = tuple[Float32[np.ndarray, "band row col"], Bool[np.ndarray, "row col"]]


class Tiles:
    """Tiles of a scene, read on the fly; each thread has files of its own."""

    def __init__(self, scene: Scene) -> None:
        """Of a scene."""
        self._scene = scene

    def picture(
        self, layer: str, z: int, x: int, y: int, stretch: Literal["one", "each"] = "one"
    ) -> bytes:
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
            return empty("colors" if layer in DATES else layer if layer == "score" else "classes")
        if layer in DATES:
            return self._date(layer, tile, window, stretch)
        values, valid = self.read(layer, window, tile.step)
        if layer == "score":
            return encode_score(values[0], valid)
        return encode_classes(np.where(valid, values[0], NODATA).astype(np.uint8))

    def _date(
        self, date: str, tile: Tile, window: Window, stretch: Literal["one", "each"]
    ) -> bytes:
        found = self._scene.originals
        if not isinstance(found, Originals):
            return self._scene.views[date].tile(tile, window)
        reader = kept((*self._key, date), lambda: found.reader(date))
        values, valid = reader(window, tile.step)
        assert found.stretch is not None
        image = found.stretch.applied(values, 1 if date == "t2" else 0, stretch)
        return encode_colors(np.rint(255 * np.where(valid, image, 0)).astype(np.uint8), valid)

    def read(self, layer: str, window: Window, step: int) -> Pixels:
        """Pixels of score, change or kind, so many times coarser, and where they are valid."""
        raster, grid = self._scene.rasters[layer], self._scene.grid
        read = kept((*self._key, layer), lambda: raster.zoomed(grid, categorical=layer in CLASSES))
        return read(window, step)

    @property
    def _key(self) -> tuple[str, str]:
        """By what the open files of a scene are known."""
        return self._scene.stamp, str(self._scene.folder)
