"""Outlines of labeled regions."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Int32
from rasterio import features

from metriccd.raster.grid import Grid


def outlines(labels: Int32[np.ndarray, "row col"], grid: Grid) -> list[tuple[dict[str, Any], int]]:
    """Traces every region of equal label along its pixel edges.

    Args:
        labels: Region of each pixel; 0 is background.
        grid: Where the pixels lie.

    Returns:
        (GeoJSON-like polygon in the grid's CRS, label) for each 4-connected region.
    """
    found = features.shapes(labels, mask=labels > 0, connectivity=4, transform=grid.transform)
    return [(geometry, int(label)) for geometry, label in found]
