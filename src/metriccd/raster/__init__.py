"""Rasters: files, arrays and grids ↔ windows of pixels; the only room that imports rasterio.

In: paths, URLs, folders of band files, arrays, DataArrays and STAC items, on
any grid; polygons.
Out: `Raster` and its readers; `Grid`, `Window`, tiles; GeoTIFFs and outlines.
"""

from metriccd.raster.arrays import Image, as_raster, from_array
from metriccd.raster.cache import bounded_cache
from metriccd.raster.cog import CogLayer, cog_writer
from metriccd.raster.grid import Grid, Window, crs_of
from metriccd.raster.items import open_item
from metriccd.raster.naming import Band
from metriccd.raster.outlines import trace_outlines
from metriccd.raster.quality import class_band
from metriccd.raster.shapes import Shapes, is_vector, open_shapes
from metriccd.raster.source import Raster, open_raster
from metriccd.raster.tiles import Tile, map_tiles, tiles

__all__ = [
    "Band",
    "CogLayer",
    "Grid",
    "Image",
    "Raster",
    "Shapes",
    "Tile",
    "Window",
    "as_raster",
    "bounded_cache",
    "class_band",
    "cog_writer",
    "crs_of",
    "from_array",
    "is_vector",
    "map_tiles",
    "open_item",
    "open_raster",
    "open_shapes",
    "tiles",
    "trace_outlines",
]
