"""Quality bands that come with an image: SCL, QA_PIXEL, UDM2."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

from metriccd.errors import DataError
from metriccd.raster.arrays import Image, as_raster
from metriccd.raster.items import open_item
from metriccd.raster.naming import BAND_SUFFIXES
from metriccd.raster.source import Raster, open_raster


def class_band(image: Image, label: str, scheme: str) -> Raster | None:
    """The band of classes of an image, or None where it has none.

    Args:
        image: What the user gave: in a folder a file named like `*_SCL_20m.jp2` is looked for, of
            the finest resolution, in a STAC item an asset, elsewhere a band of that name.
        label: What to call it in messages.
        scheme: "SCL", "QA_PIXEL" or "UDM2".

    Raises:
        DataError: The image cannot be read.
    """
    if isinstance(image, str | os.PathLike) and Path(image).is_dir():
        named = re.compile(rf"(?:^|[_.-]){scheme}(?:[_.-]\d+m)?", re.IGNORECASE)
        found = [
            open_raster(file)
            for file in sorted(Path(image).rglob("*"))
            if file.suffix.lower() in BAND_SUFFIXES
            and (match := named.search(file.stem))
            and match.end() == len(file.stem)
        ]
        return min(found, key=lambda raster: raster.grid.pixel_size, default=None)
    if isinstance(image, str | os.PathLike) and Path(image).suffix == ".json":
        with suppress(DataError):
            return open_item(image, [scheme])
        return None
    raster = as_raster(image, label)
    names = [{band.name.upper(), band.description.upper()} for band in raster.bands]
    if not any(scheme in name for name in names):
        return None
    return raster.select([scheme])
