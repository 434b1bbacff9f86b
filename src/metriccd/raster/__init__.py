"""Rasters: files, arrays and grids ↔ windows of pixels; the only room that imports rasterio.

In: paths, URLs, folders of band files, arrays, DataArrays and STAC items, on any grid; polygons.
Out: `Raster` and its readers; `Grid`, `Window`; GeoTIFFs and outlines.
"""

from metriccd.raster import settings

# Before rasterio is imported, which reads them, and before GDAL starts.
STRANGERS = settings.without_strangers()
settings.without_drivers()

# ruff: noqa: E402
from metriccd.raster.arrays import Image, as_raster, from_array
from metriccd.raster.bands import Band
from metriccd.raster.cog import CogLayer, cog_writer, write_categories
from metriccd.raster.grid import Grid, Window, crs_of
from metriccd.raster.items import class_band, open_item
from metriccd.raster.paths import files_of, redacted
from metriccd.raster.sensors import SENTINEL2, SENTINEL2_BANDS
from metriccd.raster.settings import bounded_cache
from metriccd.raster.shapes import (
    Shapes,
    burn,
    is_vector,
    layers_in,
    open_shapes,
    readable,
    require_places,
    trace_outlines,
)
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
    "Shapes",
    "Window",
    "as_raster",
    "bounded_cache",
    "burn",
    "class_band",
    "cog_writer",
    "crs_of",
    "files_of",
    "from_array",
    "is_vector",
    "layers_in",
    "open_item",
    "open_raster",
    "open_shapes",
    "readable",
    "redacted",
    "require_places",
    "trace_outlines",
    "write_categories",
]
