"""The scan of a scene: every window measured, and overviews of both dates made beside it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32
from torch import Tensor
from torch.nn import functional

from metriccd.pair import Block, Source, colors_of
from metriccd.raster import Window
from metriccd.scene.histogram import Histogram
from metriccd.scene.layer import Layer
from metriccd.scene.measure import Fitted, side_of
from metriccd.scene.overview import factor_of, small
from metriccd.scene.passes import Pass
from metriccd.scene.tiles import Tile, tiles
from metriccd.scene.workers import map_ahead, workers
from metriccd.scene.workspace import Workspace
from metriccd.stages import Stages

# Side of the windows in which a measured layer is read.
READ_SIZE = 2048
# Layers of the overviews: red, green and blue of t1 and of t2.
OVERVIEWS = tuple(f"overview-{number}" for number in range(1, 7))


@dataclass(frozen=True, kw_only=True)
class Scan:
    """What is measured of a scene, and overviews of both dates.

    Attributes:
        work: The pass that measures; nothing else is there before it is done.
        distance: The change measure; NaN where not valid.
        lean: Which way a pixel changed, > 0 where something appeared; None where nobody knows.
        overviews: Red, green and blue of both dates, as overviews, NaN where nothing is valid.
    """

    work: Pass
    distance: Layer
    lean: Layer | None
    overviews: tuple[Layer, ...] = field(repr=False)

    @classmethod
    def of(
        cls, source: Source, fitted: Fitted, workspace: Workspace, *, rgb: tuple[int, int, int]
    ) -> Scan:
        """A scan that is to be done.

        Args:
            source: The pair.
            fitted: The method.
            workspace: Where to keep the result.
            rgb: Bands to show.
        """
        shape = source.shape
        factor = factor_of(shape)
        # Blocks of the overview shall not cross tiles.
        side = side_of(fitted, multiple=factor)
        names = ("distance", "lean") if fitted.leans else ("distance",)
        layers = [workspace.layer(name, shape, side) for name in names]
        overviews = [
            workspace.layer(name, small(shape, factor), side // factor) for name in OVERVIEWS
        ]

        def measure(tile: Tile, block: Block) -> list[Float32[np.ndarray, "_row _col"]]:
            colors = _colors(block, tile, rgb, factor)
            return [*fitted.layers(block)[:, *tile.inner], *colors]

        work = Pass(
            name="measure",
            source=source,
            tiles=tuple(tiles(shape, size=side, halo=fitted.halo)),
            measure=measure,
            layers=[*layers, *overviews],
            workspace=workspace,
        )
        return cls(
            work=work,
            distance=layers[0],
            lean=layers[1] if fitted.leans else None,
            overviews=tuple(overviews),
        )

    @property
    def t1_rgb(self) -> Float32[np.ndarray, "3 _row _col"]:
        """Overview of the first image in its own unit."""
        return np.stack([each.read(Window.whole(each.shape)) for each in self.overviews[:3]])

    @property
    def t2_rgb(self) -> Float32[np.ndarray, "3 _row _col"]:
        """Of the second one."""
        return np.stack([each.read(Window.whole(each.shape)) for each in self.overviews[3:]])

    def histogram(self, stages: Stages, *, squared: bool = False) -> Histogram:
        """Of the valid distances, or of their squares."""

        def histogram_of(tile: Tile) -> Histogram:
            values = self.distance.read(tile.core)
            histogram = Histogram()
            histogram.update(values * values if squared else values)
            return histogram

        total = Histogram()
        tile_list = list(tiles(self.distance.shape, size=READ_SIZE, halo=0))
        with stages.stage("threshold", len(tile_list)) as advance, workers(len(tile_list)) as pool:
            for histogram in map_ahead(histogram_of, tile_list, pool=pool):
                total += histogram
                advance(1)
        return total


def block_means(
    image: Float[np.ndarray, "band row col"], valid: Bool[np.ndarray, "row col"], factor: int
) -> Float32[np.ndarray, "band _row _col"]:
    """Mean over the valid pixels of each block; NaN where there is none.

    Args:
        image: A window that starts at multiples of `factor`.
        valid: Pixels that count.
        factor: k.
    """
    if factor == 1:
        return np.where(valid, image, np.nan).astype(np.float32)
    mask = torch.from_numpy(valid)
    values = torch.where(mask, torch.from_numpy(image.astype(np.float32, copy=False)), 0)
    # A mean over all, the valid ones' share being the same of both, keeps float32's digits.
    share = _means(mask[None].float(), factor)
    means = _means(values, factor) / share
    return torch.where(share > 0, means, torch.nan).numpy()


def _means(images: Float[Tensor, "band row col"], factor: int) -> Float[Tensor, "band _row _col"]:
    """Sums over blocks over k²; blocks that cross the edge are filled up with zeros."""
    height, width = images.shape[-2:]
    padded = functional.pad(images, (0, -width % factor, 0, -height % factor))
    return functional.avg_pool2d(padded, factor)


def _colors(
    block: Block, tile: Tile, rgb: tuple[int, int, int], factor: int
) -> Float32[np.ndarray, "6 _row _col"]:
    """Red, green and blue of both dates' part of the overview."""
    core = (..., *tile.inner)
    colors = np.concatenate([colors_of(image[core], rgb) for image in (block.t1, block.t2)])
    return block_means(colors, block.valid[core], factor)
