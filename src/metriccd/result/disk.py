"""The disk that a result goes to: what it must have room for, and how it says no."""

from __future__ import annotations

import math
import shutil
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pyogrio

from metriccd.decision import BLOCK
from metriccd.errors import OutputError
from metriccd.raster import CogLayer, Grid

# What a full disk, a limit, a name that a format cannot have, or a driver left out looks like.
UNWRITABLE = (
    *(OSError, sqlite3.Error),
    *(pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError),
)


def unwritable(error: BaseException) -> OutputError:
    """What to say of one of `UNWRITABLE`."""
    # rasterio refers to the cause.
    return OutputError(
        f"OUT must be writable: {error.__cause__ or error}; free space, or choose another folder"
    )


def require_room(folder: Path, grid: Grid, layers: Sequence[CogLayer]) -> None:
    """Refuses a disk that is too full, of which GDAL would tell at length.

    Raises:
        OSError: It has less room than the rasters take before they are packed.
    """
    tiles = math.ceil(grid.height / BLOCK) * math.ceil(grid.width / BLOCK)
    pixel = sum(each.pixel_bytes for each in layers)
    takes, free = tiles * BLOCK**2 * pixel, shutil.disk_usage(folder).free
    if takes > free:
        raise OSError(f"rasters take {takes:,} bytes, and {free:,} are free")
