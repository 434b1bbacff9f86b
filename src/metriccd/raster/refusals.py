"""What is given as an image and is none: the rule, what it is, and what to give instead."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from metriccd.errors import DataError
from metriccd.raster.paths import redacted

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
