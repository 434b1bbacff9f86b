"""The part of a pair in which most changed, as files: minutes of work instead of hours."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import rasterio

from metriccd.benchmark.datasets import Pair
from metriccd.benchmark.places import opened, reference_of


def cropped(pair: Pair, side: int, folder: Path) -> Pair:
    """A square of a pair where its reference, then 0 and 255, has most change.

    Files of an earlier call are written anew, each whole or not at all: it may have been of another
    size, of other images, or interrupted.
    """
    images = opened(pair)
    t1, t2, valid = images.load()
    changed, known = reference_of(pair, images)
    known = np.broadcast_to(True if known is None else known, changed.shape) & valid
    side = min(side, *changed.shape)
    sums = np.pad((changed & known).astype(np.int64).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    counts = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    row, col = np.unravel_index(np.argmax(counts), counts.shape)
    part = (..., slice(row, row + side), slice(col, col + side))
    folder.mkdir(parents=True, exist_ok=True)
    stem = re.sub(r"\W+", "-", pair.name)
    files = [folder / f"{stem}-{what}.tif" for what in ("t1", "t2", "reference")]
    for path, image in zip(files, (t1, t2, changed[None].astype(np.uint8) * 255), strict=True):
        layer = np.ascontiguousarray(image[part])
        shape = dict(zip(("count", "height", "width"), layer.shape, strict=True))
        partial = path.with_name(f".{path.name}")
        with rasterio.open(partial, "w", driver="GTiff", dtype=layer.dtype, **shape) as file:
            file.write(layer)
        partial.replace(path)
    return Pair(name=pair.name, t1=files[0], t2=files[1], reference=files[2])
