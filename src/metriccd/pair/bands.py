"""Bands by name and role: which to compare, and which are red, green and blue."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float32

from metriccd.errors import DataError
from metriccd.pair.classes import SCHEMES
from metriccd.raster import Raster

# Bands taken from a Sentinel-2 folder when none are asked for: the four at 10 m.
SENTINEL2_BANDS = ("B04", "B03", "B02", "B08")
# Sentinel-2 and plain names of red, green and blue, and their wavelengths in µm.
COLORS = {"red": ("b04", 0.66), "green": ("b03", 0.56), "blue": ("b02", 0.48)}
WAVELENGTH = re.compile(r"(\d*\.?\d+)\s*(micrometers|µm|um|nanometers|nm)\b", re.IGNORECASE)
WAVELENGTH_TOLERANCE = 0.06

BandNames = str | Sequence[str | int]  # "4,3,2", or names and numbers


def three(rgb: tuple[int, int, int], bands: int) -> tuple[int, int, int]:
    """Red, green and blue for images of fewer than three bands: the last one repeats."""
    red, green, blue = (min(band, bands - 1) for band in rgb)
    return red, green, blue


def colors_of(
    image: Float32[np.ndarray, "band row col"], rgb: tuple[int, int, int]
) -> Float32[np.ndarray, "3 row col"]:
    """Red, green and blue of an image."""
    colors: Float32[np.ndarray, "3 row col"] = image[list(three(rgb, len(image)))]
    return colors


def tokens(names: BandNames | None) -> list[str] | None:
    """Band names as a list: "4,3,2" and [4, 3, 2] mean the same."""
    if names is None:
        return None
    return [str(name) for name in (names.split(",") if isinstance(names, str) else names)]


def in_order_of(first: Raster, second: Raster) -> Raster:
    """The second image's bands in the first one's order, where both have the same names."""
    names = [band.name for band in first.bands]
    others = {band.name: band for band in second.bands}
    if len(others) == len(names) == len(set(names)) and others.keys() == set(names):
        return replace(second, bands=tuple(others[name] for name in names))
    return second


def select(raster: Raster, bands: Sequence[str] | None) -> Raster:
    """The bands asked for; else all but classes, or the four at 10 m of Sentinel-2."""
    if bands is not None:
        return raster.select(bands)
    kept = tuple(band for band in raster.bands if band.name.upper() not in SCHEMES)
    raster = replace(raster, bands=kept or raster.bands)
    names = {band.name for band in raster.bands}
    if names.issuperset(SENTINEL2_BANDS):
        return raster.select(SENTINEL2_BANDS)
    return raster


def find_rgb(raster: Raster, rgb: Sequence[str] | None) -> tuple[int, int, int]:
    """Positions of red, green and blue among the raster's bands."""
    if rgb is not None:
        if len(rgb) != 3:
            raise DataError(f"--rgb must name three bands: got {len(rgb)}")
        chosen = raster.select(rgb).bands
        red, green, blue = (raster.bands.index(band) for band in chosen)
        return red, green, blue
    found = [_color_position(raster, color) for color in COLORS]
    if None not in found and len(set(found)) == len(found):
        red, green, blue = (position or 0 for position in found)
        return red, green, blue
    last = len(raster.bands) - 1
    return 0, min(1, last), min(2, last)


def _color_position(raster: Raster, color: str) -> int | None:
    """Where the band of a color is: by its role, its name, or its wavelength."""
    name, wavelength = COLORS[color]
    for position, band in enumerate(raster.bands):
        said = {band.color.lower(), band.name.lower(), band.description.lower()}
        if said & {color, name}:
            return position
    gaps = {
        position: abs(length - wavelength)
        for position, band in enumerate(raster.bands)
        if (length := _wavelength(band.description)) is not None
    }
    nearest = min(gaps, key=lambda position: gaps[position], default=None)
    return nearest if nearest is not None and gaps[nearest] < WAVELENGTH_TOLERANCE else None


def _wavelength(description: str) -> float | None:
    """Wavelength in µm from a description such as "Band 3 (0.660000 Micrometers)"."""
    match = WAVELENGTH.search(description)
    if match is None:
        return None
    return float(match[1]) / (1000 if match[2].lower().startswith("n") else 1)
