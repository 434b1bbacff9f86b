"""The small picture of a result in the index: before, after and change, side by side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image

from metriccd.batch.place import replaced
from metriccd.gis import COLORS
from metriccd.raster import Window, open_raster

# Pixels of the longer side of each of the three, and their quality: some 6 kB together.
SIDE, QUALITY = 112, 72
# Change is looked for in so many cells of each pixel, so that small objects stay visible.
CELLS = 4
DIM = 0.55


def draw_thumbnail(folder: Path, target: Path) -> None:
    """Draws before, after, and the change on the dimmed after image into one JPEG file.

    Args:
        folder: A result.
        target: The file, whole or not at all.
    """
    before, after = (_view(folder / f"{name}-view.tif") for name in ("before", "after"))
    changed = _changed(folder / "change.tif", after.shape[:2])
    tinted = (after * DIM).astype(np.uint8)
    tinted[changed] = COLORS[1][:3]
    gap = np.full((after.shape[0], 2, 3), 255, np.uint8)
    picture = Image.fromarray(np.concatenate([before, gap, after, gap, tinted], axis=1))
    target.parent.mkdir(parents=True, exist_ok=True)
    with replaced(target) as partial:
        picture.save(partial, "jpeg", quality=QUALITY)


def _view(path: Path) -> UInt8[np.ndarray, "row col 3"]:
    with Image.open(path) as view:
        image = view.convert("RGB")
    image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS, reducing_gap=2.0)
    return np.asarray(image)


def _changed(path: Path, shape: tuple[int, int]) -> Bool[np.ndarray, "row col"]:
    """Where a map has change, in pixels of a small picture."""
    raster = open_raster(path)
    step = max(max(raster.grid.shape) // (SIDE * CELLS), 1)
    grid = raster.grid.coarser(step)
    with raster.reader(grid, categorical=True) as read:
        values, known = read(Window.whole(grid.shape))
    change = Image.fromarray((known & (values[0] == 1)).astype(np.uint8) * 255)
    small = change.resize((shape[1], shape[0]), Image.Resampling.BOX)
    # A cell in sixteen, or what is left of it.
    found: Bool[np.ndarray, "row col"] = np.asarray(small) > 255 // (CELLS * CELLS) - 2
    return found
