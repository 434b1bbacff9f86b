"""Files that tests write, and those that a result consists of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from rasterio.crs import CRS
from rasterio.enums import ColorInterp

# All files of a result.
FILES = {
    ".metriccd",
    *("score.tif", "score.qml", "score.sld"),
    *("change.tif", "change.qml", "change.sld", "change.tif.aux.xml"),
    *("change.gpkg", "polygons.qml", "polygons.sld"),
    *("before-view.tif", "after-view.tif", "project.qgz"),
    *("report.html", "preview.png", "preview-large.png", "item.json", "run.json"),
    *(
        f"{stem}.{ending}"
        for stem in ("kind", "cluster", "direction")
        for ending in ("tif", "qml", "sld", "tif.aux.xml")
    ),
    "potential.tif",
}
UTM = CRS.from_epsg(32632)
TRANSFORM = Affine(10, 0, 600_000, 0, -10, 4_800_000)


def write(
    path: Path, array: np.ndarray, *, crs=UTM, transform=TRANSFORM, nodata=None, alpha=False
) -> Path:
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        count=array.shape[0],
        height=array.shape[1],
        width=array.shape[2],
        dtype=array.dtype,
        crs=crs,
        transform=transform,
        nodata=nodata,
    ) as target:
        if alpha:
            others = [ColorInterp.gray] + [ColorInterp.undefined] * (array.shape[0] - 2)
            target.colorinterp = [*others, ColorInterp.alpha]
        target.write(array)
    return path


def image(seed: int = 0, bands: int = 3, height: int = 40, width: int = 50) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, 5000, (bands, height, width), dtype=np.uint16)
