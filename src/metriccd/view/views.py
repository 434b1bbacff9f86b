"""The small pictures of both dates that each result has, as tiles of any zoom."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from metriccd.raster import Grid, Raster, Window
from metriccd.view.encoding import png
from metriccd.view.pyramid import TILE, Tile


@dataclass(frozen=True, kw_only=True)
class View:
    """A picture of a scene, held in memory: it has no more than 1400 pixels a side.

    Attributes:
        picture: Red, green and blue, times opacity: so parts are resized without the whole.
        scale: Columns and rows of the scene in one of its pixels.
    """

    picture: Image.Image = field(repr=False)
    scale: tuple[float, float]

    @classmethod
    def of(cls, raster: Raster, grid: Grid) -> View:
        """The picture in a file.

        Args:
            raster: The file.
            grid: The scene's, whose corner is the picture's, too.

        Raises:
            DataError: It cannot be read.
        """
        own = raster.grid
        with raster.reader(own, categorical=True) as read:
            pixels, valid = read(Window.whole(own.shape))
        image = np.empty((*own.shape, 4), np.uint8)
        image[..., :3] = np.moveaxis(np.clip(pixels[:3], 0, 255), 0, -1)
        image[..., 3] = 255 * valid
        scale = own.pixel_size[0] / grid.pixel_size[0], own.pixel_size[1] / grid.pixel_size[1]
        return cls(picture=Image.fromarray(image).convert("RGBa"), scale=scale)

    def tile(self, tile: Tile, window: Window) -> bytes:
        """A tile as PNG.

        Args:
            tile: The tile.
            window: What of it the scene covers.
        """
        left, top = (
            first * tile.step / size
            for first, size in zip((window.col, window.row), self.scale, strict=True)
        )
        right = min(left + window.width * tile.step / self.scale[0], self.picture.width)
        bottom = min(top + window.height * tile.step / self.scale[1], self.picture.height)
        part = self.picture.resize(
            (window.width, window.height),
            Image.Resampling.BILINEAR,
            box=(left, top, right, bottom),
        ).convert("RGBA")
        whole = Image.new("RGBA", (TILE, TILE))
        whole.paste(part, (0, 0))
        return png(whole)
