"""Where the pixels of a file lie: its grid, or what to do where nothing places them on one."""

from __future__ import annotations

import math
from contextlib import suppress

from affine import Affine
from rasterio.crs import CRS
from rasterio.errors import CRSError
from rasterio.io import DatasetReader

from metriccd.errors import GridError
from metriccd.raster.grid import Grid
from metriccd.raster.paths import projection_beside, redacted


def grid_of(dataset: DatasetReader, path: str) -> Grid:
    """The grid of a file.

    Raises:
        GridError: Ground control points, RPCs or geolocation arrays place its pixels, or a CRS
            comes without a transform, or the transform makes pixels of no area.
    """
    transform, name = dataset.transform, redacted(path)
    if transform == Affine.identity():
        found = _placed_by(dataset)
        if found is not None:
            what, option = found
            raise GridError(
                f"an image must lie on a grid: {name} is placed by {what} only; warp it first: "
                f"gdalwarp {option} {name} warped.tif"
            )
        if dataset.crs is not None:
            raise GridError(unplaced(name))
    require_pixels(transform, name)
    lies = transform != Affine.identity()
    crs = dataset.crs or (_crs_beside(path) if lies else None)
    return Grid(height=dataset.height, width=dataset.width, transform=transform, crs=crs)


def _crs_beside(path: str) -> CRS | None:
    """The CRS that a .prj file states, which GDAL reads beside some formats only."""
    file = projection_beside(path)
    if file is None:
        return None
    text = file.read_text(encoding="utf-8", errors="replace")
    with suppress(CRSError):
        return CRS.from_wkt(text, morph_from_esri_dialect=True)
    return None


def unplaced(name: str) -> str:
    """The rule for a CRS without a transform."""
    return (
        f"an image must lie on a grid: {name} has a CRS and no transform; give its corners with "
        f"gdal_edit.py -a_ullr ULX ULY LRX LRY {name} and, if it must be turned, gdalwarp; "
        "or drop the CRS with gdal_edit.py -a_srs None"
    )


def require_pixels(transform: Affine, name: str) -> None:
    """Refuses a transform that gives pixels no area.

    Raises:
        GridError: Its determinant is 0 or no number.
    """
    if not math.isfinite(sum(transform[:6])) or not transform.determinant:
        shown = ", ".join(f"{value:g}" for value in transform[:6])
        raise GridError(
            f"pixels must have an area: the transform of {name} is ({shown}); give its corners "
            f"with gdal_edit.py -a_ullr ULX ULY LRX LRY {name}, then gdalwarp if it is turned"
        )


def _placed_by(dataset: DatasetReader) -> tuple[str, str] | None:
    """What places the pixels of a file that has no transform, and gdalwarp's option for it."""
    if dataset.gcps[0]:
        return "ground control points", "-tps"
    if dataset.rpcs is not None:
        return "RPCs", "-rpc"
    if dataset.tags(ns="GEOLOCATION"):
        return "geolocation arrays", "-geoloc"
    return None
