"""Masks: zero where a pixel counts, anything else where it does not."""

from __future__ import annotations

import math

import numpy as np
from affine import Affine

from metriccd.errors import DataError
from metriccd.raster import Grid, Raster, Window

# Side of the overview in which a mask is looked at.
OVERVIEW = 256
SHOWN = 6


def require_gaps(mask: Raster, grid: Grid) -> None:
    """Refuses a mask that would leave nothing, as a map of classes or of bits does.

    Raises:
        DataError: No pixel that it knows is zero.
    """
    small = _overview(grid)
    with mask.reader(small, categorical=True) as read:
        values, known = read(Window.whole(small.shape))
    marked = (values != 0).any(axis=0) & known
    if not known.any() or not marked.all():
        return
    found = np.unique(values[:, marked])
    names = ", ".join(f"{value:g}" for value in found[:SHOWN]) + ", …" * (len(found) > SHOWN)
    raise DataError(
        f"a mask must be 0 where pixels count: all of {mask.label} is something else ({names}), "
        "which leaves out all pixels; of classes such as SCL's, or bits such as QA_PIXEL's, make "
        "0 and 1 first, with gdal_calc.py"
    )


def _overview(grid: Grid) -> Grid:
    """The same place in few pixels."""
    rows, cols = (min(side, OVERVIEW) for side in grid.shape)
    step = Affine.scale(grid.width / cols, grid.height / rows)
    if math.isclose(step.a, 1) and math.isclose(step.e, 1):
        return grid
    return Grid(height=rows, width=cols, transform=grid.transform @ step, crs=grid.crs)
