"""Where a file says its pixels lie, and what is given as an image and is none or lies nowhere."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from affine import Affine
from rasterio.io import DatasetReader

from metriccd.errors import DataError, GridError
from metriccd.raster.grid import Grid
from metriccd.raster.paths import redacted


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
    return Grid(height=dataset.height, width=dataset.width, transform=transform, crs=dataset.crs)


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


VECTORS = {".gpkg", ".shp", ".geojson", ".kml", ".kmz", ".fgb", ".gml", ".gdb", ".parquet"}
SHOWN = 6


def container(path: str, subdatasets: Sequence[str]) -> DataError:
    """The error for a file whose rasters are parts of it, with the names of these."""
    if not subdatasets:
        return _vector(path) or DataError(
            f"the image must have bands: {redacted(path)} has none; give another file"
        )
    names = ", ".join(redacted(name) for name in subdatasets[:SHOWN])
    more = f" and {len(subdatasets) - SHOWN} more" if len(subdatasets) > SHOWN else ""
    return DataError(
        f"the image must have bands: {redacted(path)} is a container; give one of its parts: "
        f"{names}{more}"
    )


def not_a_raster(path: str, reason: str) -> DataError:
    """The error for what GDAL does not read as a raster."""
    item = _stac(path)
    if item is not None:
        return item
    return _vector(path) or DataError(
        f"the image must be a raster GDAL reads: {redacted(path)}: {reason}; "
        "check the file, or convert it with gdal_translate"
    )


def _vector(path: str) -> DataError | None:
    if Path(path).suffix.lower() not in VECTORS:
        return None
    name = redacted(path)
    return DataError(
        f"an image or a mask must be a raster: {name} holds vector features; burn them: "
        f"gdal_rasterize -burn 1 -init 0 -ot Byte -tr XRES YRES {name} mask.tif"
    )


def _stac(path: str) -> DataError | None:
    """The error for a STAC item, with its assets that are rasters."""
    if Path(path).suffix.lower() not in {".json", ".geojson"}:
        return None
    try:
        item: Any = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(item, dict) or "stac_version" not in item:
        return None
    assets = item.get("assets", {})
    hrefs = [
        redacted(str(asset.get("href", "")))
        for asset in (assets.values() if isinstance(assets, dict) else ())
        if isinstance(asset, dict)
    ]
    named = f": {', '.join(hrefs[:SHOWN])}" if hrefs else ""
    return DataError(
        f"an image must be a raster: {redacted(path)} is a STAC {item.get('type', 'document')}; "
        f"give one of its assets, or a VRT or a folder of them{named}"
    )
