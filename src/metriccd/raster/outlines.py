"""Outlines of labeled regions."""

from __future__ import annotations

from typing import Any

import numpy as np
from affine import Affine
from jaxtyping import Int32
from rasterio import features


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
