"""Fill that lossy compression blurred: black along the border that is no longer zero all over."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from affine import Affine
from jaxtyping import Bool, Float32
from scipy.ndimage import binary_dilation, label, maximum_filter, minimum_filter

from metriccd.raster import Grid, Raster, Window, from_array

# Black as a coarse step of a block's mean leaves it, and with the ringing beside an edge.
FLAT, NEAR = 4, 10
# Pixels around flat black that a block of 16 × 16, which an edge crosses, may have changed: its
# own, and two each for colors at half the resolution and for flatness, which looks at neighbors.
MARGIN = 20
# How far fill may run on from flat black, nearly black: into corners too narrow for a block.
CORNER = 48
# What is no fill is at least this bright somewhere, or black is a value like others: 90 % of it are
# darker.
GROUND = 40
# Side of the look at a whole image; pixels of fill at its border that are no chance.
SIDE, LEAST = 1024, 8
# Places where the rim of the fill is looked at pixel by pixel, and the side of each.
PLACES, PLACE = 25, 96
# Share of the rim that is nearly black: .44 to 1 in JPEG and WebP of quality 10 to 95, .32 at most
# beside the fill of OMBRIA's dark floods, without any loss.
BLURRED = 0.4


def blurred_fill(raster: Raster, pair: Grid) -> Raster | None:
    """The black collar of an image that lossy compression blurred: 1 where it is; else None.

    Black is flat, without a color and connected to the border; it is blurred where what
    surrounds it is nearly black. Nothing is looked for where the file or the user says what is
    missing, nor in images of other types than 8 bits, which are not compressed like that. Fill
    narrower than the blocks of a compression leaves no flat black, and is not found.

    Args:
        raster: One date.
        pair: The part that is compared: no more is read.

    Raises:
        DataError: The file cannot be read.
    """
    if not raster.zeros_are_fill or any(band.dtype != "uint8" for band in raster.bands):
        return None
    window = raster.grid.overlap(pair)
    if window is None:
        return None
    # A collar may begin just outside.
    grid = raster.grid.crop(window.padded((CORNER, CORNER), raster.grid.shape))
    step = max(-(-max(grid.shape) // SIDE), 1)
    coarse = Grid(
        height=-(-grid.height // step),
        width=-(-grid.width // step),
        transform=grid.transform @ Affine.scale(step),
        crs=grid.crs,
    )
    with raster.reader(coarse, categorical=True) as read:
        look, _ = read(Window.whole(coarse.shape))
    collar = _at_border(_flat(look), grid, step)
    top = look.max(axis=0)
    near = top <= NEAR
    if collar is None or near.all() or np.percentile(top[~near], 90) < GROUND:
        return None
    if not _is_blurred(raster, grid, collar, step):
        return None
    corners = binary_dilation(collar, iterations=max(CORNER // step, 1), mask=near)
    reach = MARGIN if step == 1 else -(-MARGIN // step) + 1
    hidden = maximum_filter(corners.astype(np.uint8), 2 * reach + 1)
    found = from_array(
        hidden[np.newaxis],
        label=f"blurred fill of {raster.label}",
        transform=coarse.transform if coarse.georeferenced else None,
        crs=coarse.crs,
        nodata="none",
    )
    note = (
        f"black along the border of {raster.label}, blurred by lossy compression, was taken for "
        f"missing pixels ({hidden.mean():.1%} with what it touches); --nodata none keeps them, "
        "--nodata 0 leaves out exact zeros only"
    )
    return replace(found, notes=(note,))


def _flat(image: Float32[np.ndarray, "band row col"]) -> Bool[np.ndarray, "row col"]:
    """Pixels that are black, without a color, and the same all around."""
    top = image.max(axis=0)
    gray = (top <= FLAT) & (top - image.min(axis=0) <= 1)
    flat: Bool[np.ndarray, "row col"] = gray & (minimum_filter(top, 3) == maximum_filter(top, 3))
    return flat


def _at_border(
    flat: Bool[np.ndarray, "row col"], grid: Grid, step: int
) -> Bool[np.ndarray, "row col"] | None:
    """The parts of it that reach the border, if they do for more than a few pixels."""
    labels, _ = label(flat)
    # Where the size is no multiple of the step, the last cells reach beyond the image.
    last = -1 - bool(grid.height % step), -1 - bool(grid.width % step)
    border = np.concatenate([labels[0], labels[last[0]], labels[:, 0], labels[:, last[1]]])
    border = border[border > 0]
    return np.isin(labels, border) if border.size >= LEAST else None


def _is_blurred(raster: Raster, grid: Grid, collar: Bool[np.ndarray, "row col"], step: int) -> bool:
    """Whether the rim of the collar is nearly black: all of it, or at places along it."""
    around = binary_dilation(collar)
    near = count = 0
    with raster.reader(grid, categorical=True) as read:
        for window in _places(around & ~collar, grid, step):
            image, _ = read(window)
            rows, cols = (
                (first + np.arange(length)) // step
                for first, length in ((window.row, window.height), (window.col, window.width))
            )
            flat = _flat(image) & around[np.ix_(rows, cols)]
            rim = binary_dilation(flat, iterations=3) & ~binary_dilation(flat)
            near += int((image.max(axis=0)[rim] <= NEAR).sum())
            count += int(rim.sum())
    return near > BLURRED * count


def _places(ends: Bool[np.ndarray, "row col"], grid: Grid, step: int) -> Iterator[Window]:
    """Windows around some of the ends of the collar; of a small image all of it."""
    if step == 1:
        yield Window.whole(grid.shape)
        return
    found = np.argwhere(ends) * step
    for row, col in found[:: max(len(found) // PLACES, 1)]:
        top, left = (max(int(center) - PLACE // 2, 0) for center in (row, col))
        yield Window(
            row=top,
            col=left,
            height=min(PLACE, grid.height - top),
            width=min(PLACE, grid.width - left),
        )
