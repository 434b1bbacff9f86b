"""Real pairs of tests: crops of two Landsat images, and a manifest of them."""

from __future__ import annotations

from pathlib import Path

import rasterio
from affine import Affine
from rasterio.crs import CRS
from rasterio.windows import Window

SIDE = 48
UTM = CRS.from_epsg(32650)


def crops(data: Path, folder: Path, names: str, *, side: int = SIDE) -> Path:
    """Pairs NAME-t1.tif and NAME-t2.tif, one a letter, and a manifest of them."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = ["id,t1,t2,place"]
    for number, name in enumerate(names):
        col, row = 60 * number % (400 - side), 40 * number % (400 - side)
        for date, year in (("t1", "2000TM"), ("t2", "2003TM")):
            with rasterio.open(data / "landsat/taizhou" / year) as source:
                pixels = source.read(window=Window(col, row, side, side))
            where = Affine(30, 0, 700_000 + 30 * col, 0, -30, 3_600_000 - 30 * row)
            with rasterio.open(
                folder / f"{name}-{date}.tif",
                "w",
                driver="GTiff",
                width=side,
                height=side,
                count=len(pixels),
                dtype=pixels.dtype,
                crs=UTM,
                transform=where,
            ) as target:
                target.write(pixels)
        rows.append(f"{name},{name}-t1.tif,{name}-t2.tif,place {name}")
    manifest = folder / "pairs.csv"
    manifest.write_text("\n".join(rows) + "\n")
    return manifest
