"""What is added to a date's values: Sentinel-2's radiometric offset, and what float32 asks for.

From baseline 04.00 on Sentinel-2's products hold 1000 more. Values so large that float32, in which
images are compared, would not hold their differences are moved about zero.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from metriccd.raster import Grid, Raster, Window
from metriccd.trust import require_file

OFFSET = -1000.0
# …_N0400_…: the processing baseline in the name of a product.
BASELINE = re.compile(r"MSIL[12][AC]_\d{8}T\d{6}_N(\d{4})_")
WRITTEN = re.compile(r"<(?:RADIO|BOA)_ADD_OFFSET\b[^>]*>\s*(-?\d+)\s*<")
WIDE = {"int32", "uint32", "int64", "uint64", "float64"}
# Shares of float32's digits: a band that varies by fewer than these steps of it is moved.
STEPS = 2.0**12
# Side of the part that is looked at.
SIDE = 256


@dataclass(frozen=True, kw_only=True)
class Offset:
    """What is added to a date's values to make them reflectance × 10,000.

    Attributes:
        value: Usually 0 or −1000.
        source: What tells it.
    """

    value: float
    source: str


NO_OFFSET = Offset(value=0.0, source="nothing says otherwise")


def offset_of(raster: Raster) -> Offset | None:
    """The offset of the values as they are read; None where nothing tells it."""
    found = _told(raster)
    if found is None or not raster.bands:
        return found
    # What files declare is applied when they are read.
    if any(band.offset for band in raster.bands):
        return Offset(value=0.0, source="its files, whose offset is applied")
    return Offset(value=found.value * raster.bands[0].scale, source=found.source)


def _told(raster: Raster) -> Offset | None:
    """The offset that a product's metadata or its name tells; None where neither does."""
    if raster.origin is not None and raster.origin.offset is not None:
        return Offset(value=raster.origin.offset, source="its STAC item")
    folder = Path(raster.label)
    parts = (folder, *folder.parents)
    products = [part for part in parts if BASELINE.search(part.name)]
    for place in products or [folder]:
        for file in sorted(place.glob("MTD_MSIL*.xml")) if place.is_dir() else ():
            require_file(file)
            found = WRITTEN.findall(file.read_text(encoding="utf-8", errors="replace"))
            value = float(found[0]) if found else 0.0
            return Offset(value=value, source=f"its metadata, {file.name}")
    for text in (raster.label, *(band.path for band in raster.bands)):
        match = BASELINE.search(text)
        if match is not None:
            value = OFFSET if int(match[1]) >= 400 else 0.0
            return Offset(value=value, source=f"its name, baseline N{match[1]}")
    return None


def offsets_asked(asked: str | float, t1: Raster, t2: Raster) -> tuple[Offset, Offset]:
    """What is added to t1 and to t2.

    Args:
        asked: "auto" (what products tell, else 0) or a number for both.
        t1: First image.
        t2: Second image.

    Raises:
        ValueError: It is neither.
    """
    if asked == "auto":
        return offset_of(t1) or NO_OFFSET, offset_of(t2) or NO_OFFSET
    try:
        value = float(asked)
    except ValueError:
        raise ValueError(f"an offset is auto, 0 or -1000: got {asked}") from None
    both = Offset(value=value, source="--offset")
    return both, both


def about_zero(first: Raster, second: Raster, grid: Grid) -> tuple[Raster, Raster, str | None]:
    """Both images less a number for each band, where float32 could not tell their values apart.

    The same of both dates, so that their differences stay; and what to say of it.
    """
    if not WIDE & {band.dtype for raster in (first, second) for band in raster.bands}:
        return first, second, None
    moves = []
    for one, other in zip(first.bands, second.bands, strict=True):
        level = _level(replace(first, bands=(one,), seen=set()), grid)
        moves.append(level if {one.dtype, other.dtype} & WIDE else 0.0)
    if not any(moves):
        return first, second, None
    moved = [
        replace(
            raster,
            bands=tuple(
                replace(band, offset=band.offset - move)
                for band, move in zip(raster.bands, moves, strict=True)
            ),
        )
        for raster in (first, second)
    ]
    named = ", ".join(
        f"{move:.9g} from {band.name}"
        for band, move in zip(first.bands, moves, strict=True)
        if move
    )
    return (
        moved[0],
        moved[1],
        (
            "values are too large for float32, in which images are compared, to hold their "
            f"differences: {named} was subtracted in both; subtract it beforehand to choose another"
        ),
    )


def _level(raster: Raster, grid: Grid) -> float:
    """What to subtract from a band: its middle, where that is large beside what varies."""
    rows, cols = (min(side, SIDE) for side in grid.shape)
    window = Window(
        row=(grid.height - rows) // 2, col=(grid.width - cols) // 2, height=rows, width=cols
    )
    with raster.reader(grid) as read:
        data, valid = read(window)
    values = data[0][valid].astype(np.float64)
    if not values.size:
        return 0.0
    middle = float(np.median(values))
    step = float(np.spacing(np.float32(abs(middle))))
    return float(np.rint(middle)) if values.std() < STEPS * step else 0.0
