"""Longitudes, which come around again: the only place where they are turned."""

from __future__ import annotations

import math

import numpy as np
import pyproj
from jaxtyping import Float
from rasterio.crs import CRS

# A hair of a circle: an edge that rounding moved beyond another one does not overlap it.
HAIR = 1e-11


def circle_of(crs: CRS | None) -> float | None:
    """A full turn in the unit of a CRS of longitudes and latitudes; None for any other."""
    if crs is None or not crs.is_geographic:
        return None
    axes = pyproj.CRS.from_user_input(crs).axis_info
    return 2 * math.pi / axes[0].unit_conversion_factor if axes else 360.0


def turns(inner: tuple[float, float], outer: tuple[float, float], circle: float) -> list[float]:
    """What to add to `inner`, a range of longitudes, so that it meets `outer`: full turns.

    Several, where it meets both ends; no more than two globes of it are ever needed.
    """
    first = math.ceil((outer[0] - inner[1]) / circle + HAIR)
    last = math.floor((outer[1] - inner[0]) / circle - HAIR)
    return [circle * number for number in sorted(range(first, last + 1), key=abs)]


def eastward(
    longitudes: Float[np.ndarray, " point"], west: float, circle: float
) -> Float[np.ndarray, " point"]:
    """The same longitudes less than a turn east of `west`; a hair west of it is no turn."""
    hair = circle * HAIR
    turned: Float[np.ndarray, " point"] = west + (longitudes - west + hair) % circle - hair
    return turned
