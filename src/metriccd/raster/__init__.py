"""Rasters in and out: grids, reading on any grid, Cloud-Optimized GeoTIFFs, outlines.

The only room of the house that imports rasterio.
"""

from metriccd.raster.cache import bounded_cache
from metriccd.raster.cog import CogLayer, cog_writer, tiled_writer
from metriccd.raster.grid import Grid, Window, crs_of
from metriccd.raster.outlines import outlines
from metriccd.raster.source import Band, Raster, from_array, open_raster

__all__ = [
    "Band",
    "CogLayer",
    "Grid",
    "Raster",
    "Window",
    "bounded_cache",
    "cog_writer",
    "crs_of",
    "from_array",
    "open_raster",
    "outlines",
    "tiled_writer",
]
