"""GDAL's cache of blocks, which would take a twentieth of the machine's memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import rasterio

MEGABYTES = 256


@contextmanager
def bounded_cache() -> Iterator[None]:
    """Bounds the cache, for the whole process, if nothing was read before."""
    with rasterio.Env(GDAL_CACHEMAX=MEGABYTES):
        yield
