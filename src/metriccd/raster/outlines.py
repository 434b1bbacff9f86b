"""Outlines of labeled regions, and regions of outlines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from affine import Affine
from jaxtyping import Int32
from rasterio import features

from metriccd.raster.grid import Grid


def trace_outlines(
    labels: Int32[np.ndarray, "row col"], transform: Affine
) -> list[tuple[dict[str, Any], int]]:
    """Traces every region of equal label along its pixel edges.

    Args:
        labels: Region of each pixel; 0 is background.
        transform: From (col, row) of a pixel corner to the outlines' coordinates.

    Returns:
        (GeoJSON-like polygon, label) for each 4-connected region.
    """
    found = features.shapes(labels, mask=labels > 0, connectivity=4, transform=transform)
    return [(geometry, int(label)) for geometry, label in found]


def burn(shapes: Sequence[tuple[Any, int]], grid: Grid) -> Int32[np.ndarray, "row col"]:
    """Numbers of the shapes in whose inside pixel centers lie; 0 elsewhere.

    Args:
        shapes: Geometry in the grid's coordinates, and its number.
        grid: Where the pixels lie.
    """
    labels = np.zeros(grid.shape, np.int32)
    if shapes:
        features.rasterize(shapes, out=labels, transform=grid.transform)
    return labels
