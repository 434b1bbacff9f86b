"""Rasters: files, arrays and grids ↔ windows of pixels; the only room that imports rasterio.

In: paths, URLs, folders of band files, arrays and DataArrays, on any grid.
Out: `Raster` and its readers; `Grid`, `Window`, tiles; GeoTIFFs and outlines.
"""

from metriccd.raster import environment

# Before rasterio is imported, which reads them.
STRANGERS = environment.without_strangers()

# ruff: noqa: E402
from metriccd.raster.arrays import Image, as_raster
from metriccd.raster.band import Band
from metriccd.raster.cache import bounded_cache
from metriccd.raster.cog import CogLayer, cog_writer
from metriccd.raster.grid import Grid, Window, crs_of
from metriccd.raster.outlines import trace_outlines
from metriccd.raster.paths import redacted
from metriccd.raster.sensors import SENTINEL2, SENTINEL2_BANDS
from metriccd.raster.source import Nodata, Raster, open_raster
from metriccd.raster.tiles import Tile, map_tiles, tiles

__all__ = [
    "SENTINEL2",
    "SENTINEL2_BANDS",
    "STRANGERS",
    "Band",
    "CogLayer",
    "Grid",
    "Image",
    "Nodata",
    "Raster",
    "Tile",
    "Window",
    "as_raster",
    "bounded_cache",
    "cog_writer",
    "crs_of",
    "map_tiles",
    "open_raster",
    "redacted",
    "tiles",
    "trace_outlines",
]
