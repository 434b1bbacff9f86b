"""Rasters: files, arrays and grids ↔ windows of pixels; the only room that imports rasterio.

In: paths, URLs, folders of band files, arrays and DataArrays, on any grid.
Out: `Raster` and its readers; `Grid`, `Window`, tiles; GeoTIFFs and outlines.
"""

from metriccd.raster.arrays import Image, as_raster
from metriccd.raster.cache import bounded_cache
from metriccd.raster.cog import CogLayer, cog_writer, write_categories
from metriccd.raster.grid import Grid, Window, crs_of
from metriccd.raster.outlines import burn, trace_outlines
from metriccd.raster.source import Raster, open_raster
from metriccd.raster.tiles import Tile, map_tiles, tiles

__all__ = [
    "CogLayer",
    "Grid",
    "Image",
    "Raster",
    "Tile",
    "Window",
    "as_raster",
    "bounded_cache",
    "burn",
    "cog_writer",
    "crs_of",
    "map_tiles",
    "open_raster",
    "tiles",
    "trace_outlines",
    "write_categories",
]
