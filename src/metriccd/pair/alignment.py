"""One grid for both images and for what belongs to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from metriccd.errors import GridError
from metriccd.raster import Grid, Raster, Shapes, Window, crs_of


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


def common_grid(first: Raster, second: Raster, onto: Raster | None = None) -> Grid:
    """The part of `first`'s grid that `second` covers; or of that of `onto` which both cover.

    Raises:
        GridError: No overlap, an overlap too small, a CRS on one side only, or two images
            without georeference that differ in size.
    """
    if onto is not None:
        return _covered(first, second, common_grid(onto, first), common_grid(onto, second))
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
    return _covered(first, second, one, other)


def _covered(first: Raster, second: Raster, one: Grid, other: Grid) -> Grid:
    """The part of a grid, of the first image, that another one, of the second, covers."""
    overlap = one.overlap(other)
    if overlap is None:
        raise GridError(
            f"the images must overlap: {first.label} spans {_spanned(one)}, {second.label} "
            f"{_spanned(other)}; check their CRS and the order of their axes"
        )
    if min(overlap.height, overlap.width) < MIN_SIDE:
        raise GridError(
            f"the overlap must be at least {MIN_SIDE}×{MIN_SIDE} pixels: got "
            f"{overlap.height}×{overlap.width} (rows×columns)"
        )
    return one.crop(overlap)


def _spanned(grid: Grid) -> str:
    """West to east and south to north, and the CRS they are in."""
    xs, ys = grid.edge()
    crs = "a plane without a name" if grid.crs is None else grid.crs.to_string()[:40]
    return f"{min(xs):.7g} to {max(xs):.7g}, {min(ys):.7g} to {max(ys):.7g} in {crs}"


def bounds_of(bbox: str | Sequence[float]) -> tuple[float, float, float, float]:
    """West, south, east, north of "W,S,E,N" or of four numbers.

    Raises:
        ValueError: They are no four numbers in that order.
    """
    parts = bbox.split(",") if isinstance(bbox, str) else bbox
    try:
        west, south, east, north = (float(part) for part in parts)
    except ValueError:
        raise ValueError(f"a bbox is four numbers W,S,E,N: got {bbox}") from None
    if not (west < east and south < north):
        raise ValueError(f"a bbox is W,S,E,N with W < E and S < N: got {bbox}")
    return west, south, east, north


def cropped(
    grid: Grid, bbox: str | Sequence[float] | None, bbox_crs: str | None, area: Shapes | None
) -> Grid:
    """The part of a grid in a box and around polygons.

    Args:
        grid: Of the pair.
        bbox: West, south, east, north; columns and rows where the images have no georeference.
        bbox_crs: CRS of the box, if not the grid's.
        area: Polygons.

    Raises:
        GridError: Nothing, or too little, is left.
    """
    if bbox is not None:
        bounds = bounds_of(bbox)
        if bbox_crs is None:
            window = grid.window_of(bounds)
        else:
            window = grid.overlap(Grid.around(bounds, crs_of(bbox_crs)))
        grid = _part(grid, window, f"--bbox {','.join(f'{value:g}' for value in bounds)}")
    if area is not None:
        grid = _part(grid, area.window_of(grid), f"--aoi {area.label}")
    return grid


def _part(grid: Grid, window: Window | None, asked: str) -> Grid:
    if window is None:
        raise GridError(f"{asked} must lie on both images: it does not; check its CRS and order")
    if min(window.height, window.width) < MIN_SIDE:
        raise GridError(
            f"{asked} must hold at least {MIN_SIDE}×{MIN_SIDE} pixels: got "
            f"{window.height}×{window.width} (rows×columns)"
        )
    return grid.crop(window)
