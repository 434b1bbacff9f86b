"""One grid for both images and for what belongs to them."""

from __future__ import annotations

from dataclasses import replace

from metriccd.errors import GridError
from metriccd.raster import Grid, Raster


def on_lattice(raster: Raster, grid: Grid, noun: str) -> Raster:
    """Places a raster without georeference on the pixels of `grid`, if it has their number.

    Raises:
        GridError: It has neither a CRS as the grid has, nor the grid's size.
    """
    if (raster.grid.crs is None) == (grid.crs is None) and raster.grid.georeferenced:
        return raster
    if raster.grid.shape != grid.shape:
        raise GridError(
            f"{noun} must lie on the images' grid: {raster.label} shares no CRS with them and is "
            f"{raster.grid.height}×{raster.grid.width}, they are {grid.height}×{grid.width}"
        )
    return replace(raster, bands=tuple(replace(band, grid=grid) for band in raster.bands))


# Below this no statistic of a pair means anything, and the networks have no room.
MIN_SIDE = 16


def common_grid(first: Raster, second: Raster) -> Grid:
    """The part of `first`'s grid that `second` covers.

    Raises:
        GridError: No overlap, an overlap too small, a CRS on one side only, or two images
            without georeference that differ in size.
    """
    one, other = first.grid, second.grid
    if (one.crs is None) != (other.crs is None):
        without = first if one.crs is None else second
        lost = "" if without.grid.georeferenced else ", nor a transform or world file"
        raise GridError(
            f"both images must have a CRS, or neither: {without.label} has none{lost}; "
            "assign it with gdal_edit.py -a_srs"
        )
    if one.georeferenced != other.georeferenced:
        bare = second if one.georeferenced else first
        raise GridError(
            f"both images must have a place, or neither: {bare.label} has no transform or world "
            "file; copy that of the other, or remove it there"
        )
    if not one.georeferenced and one.shape != other.shape:
        raise GridError(
            f"images without georeference must have one size: got {one.height}×{one.width} and "
            f"{other.height}×{other.width} (rows×columns); crop them, or give them a CRS"
        )
    overlap = one.overlap(other)
    if overlap is None:
        raise GridError(f"the images must overlap: {first.label} and {second.label} do not")
    if min(overlap.height, overlap.width) < MIN_SIDE:
        raise GridError(
            f"the overlap must be at least {MIN_SIDE}×{MIN_SIDE} pixels: got "
            f"{overlap.height}×{overlap.width} (rows×columns)"
        )
    return one.crop(overlap)
