"""A pass over a scene: every window measured, and overviews of both dates made beside it."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
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
from metriccd.scene.tiles import Tile, tiles
from metriccd.scene.workers import map_ahead, workers
from metriccd.scene.workspace import Workspace
from metriccd.stages import Stages

# Side of the windows in which a measured layer is read.
READ_SIZE = 2048


@dataclass(frozen=True, kw_only=True)
class Scanned:
    """What was measured of a scene.

    Attributes:
        distance: The change measure; NaN where not valid.
        lean: Which way a pixel changed, > 0 where something appeared; None where nobody knows.
        t1_rgb: Overview of the first image (red, green, blue) in its own unit, NaN where nothing
            is valid.
        t2_rgb: Of the second one.
    """

    distance: Layer
    lean: Layer | None
    t1_rgb: Float32[np.ndarray, "3 _row _col"] = field(repr=False)
    t2_rgb: Float32[np.ndarray, "3 _row _col"] = field(repr=False)

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


def scan(
    source: Source,
    fitted: Fitted,
    workspace: Workspace,
    *,
    rgb: tuple[int, int, int],
    stages: Stages,
) -> Scanned:
    """Measures a scene tile by tile; tiles that the workspace has finished are left out.

    Args:
        source: The pair.
        fitted: The method.
        workspace: Where to keep the result.
        rgb: Bands to show.
        stages: Records time and reports progress.
    """
    shape = source.shape
    factor = factor_of(shape)
    # Blocks of the overview shall not cross tiles.
    side = side_of(fitted, multiple=factor)
    height, width = small(shape, factor)
    names = ("distance", "lean") if fitted.leans else ("distance",)
    layers = [workspace.layer(name, shape) for name in names]
    overview = workspace.layer("overview", (6 * height, width))
    numbered = list(enumerate(tiles(shape, size=side, halo=fitted.halo)))
    remaining = [(number, tile) for number, tile in numbered if number not in workspace.finished]

    def measure(item: tuple[Tile, Block]) -> tuple[np.ndarray, np.ndarray]:
        tile, block = item
        return fitted.layers(block)[:, *tile.inner], _colors(block, tile, rgb, factor)

    blocks = read_ahead(source, [tile.padded for _, tile in remaining])
    with (
        stages.stage("measure", len(numbered)) as advance,
        closing(blocks),
        workers(len(remaining)) as pool,
    ):
        advance(len(numbered) - len(remaining))
        items = zip((tile for _, tile in remaining), blocks, strict=True)
        results = map_ahead(measure, items, pool=pool)
        for (number, tile), (images, colors) in zip(remaining, results, strict=True):
            for layer, image in zip(layers, images, strict=True):
                layer.write(tile.core, image)
            for band, means in enumerate(colors):
                overview.write(_small_window(tile.core, factor, band * height), means)
            workspace.finish(number)
            advance(1)
    t1_rgb, t2_rgb = overview.read(Window.whole(overview.shape)).reshape(2, 3, height, width)
    distance, lean = (*layers, None)[:2]
    assert distance is not None
    return Scanned(distance=distance, lean=lean, t1_rgb=t1_rgb, t2_rgb=t2_rgb)


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


def read_ahead(source: Source, windows: Iterable[Window]) -> Generator[Block, None, None]:
    """Blocks in order; the next one is read while the last one is worked on.

    Files must be read in the thread that opened them, so the reader lives in the other one.
    """
    with ThreadPoolExecutor(max_workers=1) as thread:
        context = thread.submit(source.reader).result()
        read = thread.submit(context.__enter__).result()
        try:
            yield from map_ahead(read, windows, pool=thread, ahead=1)
        finally:
            thread.submit(context.__exit__, None, None, None).result()


def _colors(
    block: Block, tile: Tile, rgb: tuple[int, int, int], factor: int
) -> Float32[np.ndarray, "6 _row _col"]:
    """Red, green and blue of both dates' part of the overview."""
    core = (..., *tile.inner)
    colors = np.concatenate([colors_of(image[core], rgb) for image in (block.t1, block.t2)])
    return block_means(colors, block.valid[core], factor)


def _small_window(core: Window, factor: int, first: int) -> Window:
    height, width = small((core.height, core.width), factor)
    return Window(
        row=first + core.row // factor, col=core.col // factor, height=height, width=width
    )
