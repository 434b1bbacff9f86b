"""Rasters: files, arrays and grids ↔ windows of pixels; the only room that imports rasterio.

In: paths, URLs, folders of band files, arrays and DataArrays, on any grid.
Out: `Raster` and its readers; `Grid`, `Window`; GeoTIFFs and outlines.
"""

from metriccd.raster import settings

# Before rasterio is imported, which reads them.
STRANGERS = settings.without_strangers()

# ruff: noqa: E402
from metriccd.raster.arrays import Image, as_raster
from metriccd.raster.bands import Band
from metriccd.raster.cog import CogLayer, cog_writer, write_categories
from metriccd.raster.grid import Grid, Window, crs_of
from metriccd.raster.outlines import burn, trace_outlines
from metriccd.raster.paths import redacted
from metriccd.raster.sensors import SENTINEL2, SENTINEL2_BANDS
from metriccd.raster.settings import bounded_cache
from metriccd.raster.source import Nodata, Raster, open_raster

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
    "Window",
    "as_raster",
    "bounded_cache",
    "burn",
    "cog_writer",
    "crs_of",
    "open_raster",
    "redacted",
    "trace_outlines",
    "write_categories",
]
