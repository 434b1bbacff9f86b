"""Bands by name and role: which to compare, and which are red, green and blue."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float32

from metriccd.errors import DataError
from metriccd.pair.classes import USUAL
from metriccd.raster import SENTINEL2, SENTINEL2_BANDS, Band, Raster

COLORS = ("red", "green", "blue")
# How far two bands may lie apart, in shares of their wavelength, and still be the same.
SAME_WAVELENGTH = 0.03
EVERY = "all"

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


def in_order_of(first: Raster, second: Raster) -> tuple[Raster, str | None]:
    """The second image's bands in the first one's order, where the files tell it.

    By names, in any case; where these differ, or mean other colors to another sensor, by common
    names; else by wavelengths. And what there is to say, where the files disagree.
    """
    ways: list[Callable[[Band], str | None]] = [_name, _common]
    if len({band.sensor for band in (*first.bands, *second.bands)} - {""}) > 1:
        ways = [_common]
    for way in ways:
        order = _matched(first.bands, second.bands, way)
        if order is not None:
            return replace(second, bands=order), None
    order = _by_wavelength(first.bands, second.bands)
    if order is not None:
        return replace(second, bands=order), None
    return second, _disagreement(first, second)


def _name(band: Band) -> str | None:
    """What its file calls a band, in any case; a number that only counts is no name."""
    if not band.description and band.name == str(band.index):
        return None
    return band.spectral or band.name.strip().lower()


def _common(band: Band) -> str | None:
    return band.common or None


def _matched(
    first: Sequence[Band], second: Sequence[Band], way: Callable[[Band], str | None]
) -> tuple[Band, ...] | None:
    """The second bands in the order of the first ones, where a way names each of them once."""
    names, others = [way(band) for band in first], {way(band): band for band in second}
    if None in names or len(set(names)) != len(names) or len(others) != len(second):
        return None
    if others.keys() != set(names):
        return None
    return tuple(others[name] for name in names)


def _by_wavelength(first: Sequence[Band], second: Sequence[Band]) -> tuple[Band, ...] | None:
    """The second bands by the nearest wavelengths, where all are told and each is near one."""
    if len(first) != len(second):
        return None
    one, other = ([band.wavelength for band in bands] for bands in (first, second))
    if None in one or None in other:
        return None
    lengths, others = np.array(one, float), np.array(other, float)
    # Of two sets of numbers the sorted ones lie nearest to each other.
    order = np.empty(len(second), np.intp)
    order[np.argsort(lengths, kind="stable")] = np.argsort(others, kind="stable")
    if (np.abs(others[order] - lengths) > SAME_WAVELENGTH * lengths).any():
        return None
    return tuple(second[int(index)] for index in order)


def _disagreement(first: Raster, second: Raster) -> str | None:
    """What to say where bands that are compared are called otherwise in the two files."""
    if len(first.bands) != len(second.bands):
        return None
    unlike = [
        (one, other)
        for one, other in zip(first.bands, second.bands, strict=True)
        if one.common and other.common and one.common != other.common
    ]
    if not unlike:
        return None
    one, other = unlike[0]
    return (
        f"bands were compared by position, though {one.name} of {first.label} is {one.common} and "
        f"{other.name} of {second.label} is {other.common}; --bands names those to compare"
    )


def shared(first: Raster, second: Raster) -> str:
    """A remedy for images of different bands: the common names that both have."""
    names = [band.common for band in first.bands if band.common]
    both = [name for name in names if name in {band.common for band in second.bands}]
    return f"choose them with --bands{' ' + ','.join(dict.fromkeys(both)) if both else ''}"


def select(raster: Raster, bands: Sequence[str] | None) -> Raster:
    """The bands asked for; else all but classes, or the four at 10 m of Sentinel-2's."""
    if bands is not None and list(bands) != [EVERY]:
        chosen = raster.select(bands)
        # Who names the bands has answered what is said of them, but of alpha, which masks them.
        notes = [note for note in chosen.notes if "--bands" not in note or "alpha" in note]
        return replace(chosen, notes=tuple(notes))
    kept = tuple(band for band in raster.bands if band.name.upper() not in USUAL)
    raster = replace(raster, bands=kept or raster.bands)
    names = {band.name for band in raster.bands if band.sensor == SENTINEL2.name}
    if bands is None and names.issuperset(SENTINEL2_BANDS) and len(raster.bands) > 4:
        four = raster.select(SENTINEL2_BANDS)
        note = (
            f"of the {len(raster.bands)} bands of {raster.label}, Sentinel-2's four at 10 m were "
            f"compared; --bands {EVERY} compares all"
        )
        return replace(four, notes=(*four.notes, note))
    if bands is None and names.issuperset(SENTINEL2_BANDS):
        return raster.select(SENTINEL2_BANDS)
    return raster


def find_rgb(raster: Raster, rgb: Sequence[str] | None) -> tuple[tuple[int, int, int], str | None]:
    """Positions of red, green and blue among the raster's bands, and what was guessed of them."""
    if rgb is not None:
        if len(rgb) != 3:
            raise DataError(f"--rgb must name three bands: got {len(rgb)}")
        chosen = raster.select(rgb).bands
        places = [(band.path, band.index) for band in raster.bands]
        unknown = [band.name for band in chosen if (band.path, band.index) not in places]
        if unknown:
            raise DataError(
                f"--rgb must be among the bands that are compared: {unknown[0]} is not; "
                "name it in --bands too"
            )
        red, green, blue = (places.index((band.path, band.index)) for band in chosen)
        return (red, green, blue), None
    found = [_color_position(raster, color) for color in COLORS]
    if None not in found and len(set(found)) == len(found):
        red, green, blue = (position or 0 for position in found)
        return (red, green, blue), None
    last = len(raster.bands) - 1
    first = (0, min(1, last), min(2, last))
    # Of three bands there is no other choice but their order.
    if last < 3:
        return first, None
    names = ", ".join(raster.bands[index].name for index in first)
    return first, (
        f"nothing tells which bands are red, green and blue: the first three, {names}, were shown "
        "as such; --rgb or --band-names says otherwise"
    )


def _color_position(raster: Raster, color: str) -> int | None:
    """Where the band of a color is: by its common name, nearest to that of the color."""
    try:
        band = raster.select([color]).bands[0]
    except DataError:
        return None
    places = [(each.path, each.index) for each in raster.bands]
    place = (band.path, band.index)
    return places.index(place) if place in places else None
