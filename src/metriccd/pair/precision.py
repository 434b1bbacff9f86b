"""Values so large that float32, in which images are compared, would not hold their differences."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from metriccd.raster import Grid, Raster, Window

WIDE = {"int32", "uint32", "int64", "uint64", "float64"}
# Shares of float32's digits: a band that varies by fewer than these steps of it is moved.
STEPS = 2.0**12
# Side of the part that is looked at.
SIDE = 256


def about_zero(first: Raster, second: Raster, grid: Grid) -> tuple[Raster, Raster, str | None]:
    """Both images less a number for each band, where float32 could not tell their values apart.

    The same of both dates, so that their differences stay; and what to say of it.
    """
    if not WIDE & {band.dtype for raster in (first, second) for band in raster.bands}:
        return first, second, None
    moves = []
    for one, other in zip(first.bands, second.bands, strict=True):
        level = _level(replace(first, bands=(one,), seen=set()), grid)
        moves.append(level if {one.dtype, other.dtype} & WIDE else 0.0)
    if not any(moves):
        return first, second, None
    moved = [
        replace(
            raster,
            bands=tuple(
                replace(band, offset=band.offset - move)
                for band, move in zip(raster.bands, moves, strict=True)
            ),
        )
        for raster in (first, second)
    ]
    named = ", ".join(
        f"{move:.9g} from {band.name}"
        for band, move in zip(first.bands, moves, strict=True)
        if move
    )
    return (
        moved[0],
        moved[1],
        (
            "values are too large for float32, in which images are compared, to hold their "
            f"differences: {named} was subtracted in both; subtract it beforehand to choose another"
        ),
    )


def _level(raster: Raster, grid: Grid) -> float:
    """What to subtract from a band: its middle, where that is large beside what varies."""
    rows, cols = (min(side, SIDE) for side in grid.shape)
    window = Window(
        row=(grid.height - rows) // 2, col=(grid.width - cols) // 2, height=rows, width=cols
    )
    with raster.reader(grid) as read:
        data, valid = read(window)
    values = data[0][valid].astype(np.float64)
    if not values.size:
        return 0.0
    middle = float(np.median(values))
    step = float(np.spacing(np.float32(abs(middle))))
    return float(np.rint(middle)) if values.std() < STEPS * step else 0.0
