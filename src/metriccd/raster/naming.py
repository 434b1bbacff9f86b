"""Bands and what they are called, in folders of band files and in descriptions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from metriccd.errors import DataError, meant
from metriccd.raster.grid import Grid

# _B04, _B8A, _B02_10m: how Sentinel-2 and Landsat name single-band files.
BAND_FILE = re.compile(r"(?:^|[_.-])B(\d{1,2})(A?)(?:[_.-]\d+m)?$", re.IGNORECASE | re.ASCII)
# LC08_…_B4: the numbers of Landsat's bands are not those of Sentinel-2.
LANDSAT_FILE = re.compile(r"L[COTEM]0\d_", re.IGNORECASE)
# Landsat Level 2 calls surface reflectance SR_B4 and surface temperature ST_B10.
PRODUCT = re.compile(r"[_.-]S[RT]$", re.IGNORECASE)
BAND_SUFFIXES = {".tif", ".tiff", ".jp2", ".img", ".vrt"}
SPECTRAL = re.compile(r"B0*(\d{1,2})(A?)", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Band:
    """One band of a raster: where it is stored and what it is called.

    Attributes:
        path: What GDAL opens.
        index: Band number in that file, from 1.
        name: Its name: "B04" in a folder of band files, else the description or the number.
        description: What the file says of it.
        color: "red", "green", "blue", … where the file says so.
        grid: The file's own grid.
    """

    path: str
    index: int
    name: str
    description: str = ""
    color: str = ""
    grid: Grid


def spectral_name(text: str) -> str | None:
    """Name as "B04" or "B8A", of "B4" or "b8a"; None where the text is no such name."""
    match = SPECTRAL.fullmatch(text.strip())
    if match is None:
        return None
    return f"B{match[1]}A" if match[2] else f"B{match[1].zfill(2)}"


def name_in_file(text: str, stem: str) -> str:
    """A band's name: "B4" as "B04", except in a Landsat file, which keeps its own."""
    if LANDSAT_FILE.match(stem):
        return text
    return spectral_name(text) or text


def name_of_file(stem: str) -> tuple[str, str] | None:
    """Band name and image name of a single-band file, or None where it has no band name.

    Landsat's bands are "B1", "B2", …, so that they never pass for Sentinel-2's "B01", "B02", ….
    """
    match = BAND_FILE.search(stem)
    if match is None:
        return None
    image = PRODUCT.sub("", stem[: match.start()])
    if LANDSAT_FILE.match(stem):
        return f"B{int(match[1])}{match[2].upper()}", image
    return spectral_name(f"B{match[1]}{match[2]}") or "", image


def band_files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Band names and files of a folder of single-band files, each at every resolution.

    Raises:
        DataError: There are none.
    """
    files = [file for file in sorted(folder.rglob("*")) if file.suffix.lower() in BAND_SUFFIXES]
    pixels = [file for file in files if "IMG_DATA" in file.parts]  # of a Sentinel-2 .SAFE
    named = [(names[0], file) for file in pixels or files if (names := name_of_file(file.stem))]
    if not named:
        raise DataError(
            f"a folder must hold single-band files named like *_B04.tif: {folder} has none"
        )
    yield from named


def in_spectral_order(bands: Iterable[Band]) -> tuple[Band, ...]:
    """The bands of one image by number, B8A after B08.

    Raises:
        DataError: The names of their files, without the band, differ.
    """
    ordered = sorted(bands, key=lambda band: (int(re.sub(r"\D", "", band.name)), band.name))
    images: dict[str, str] = {}
    for band in ordered:
        names = name_of_file(Path(band.path).stem)
        images.setdefault(names[1] if names else "", band.path)
    if len(images) > 1:
        first, second = list(images.values())[:2]
        raise two_images(f"the names of {first} and {second} differ in more than the band")
    return tuple(ordered)


def two_images(found: str) -> DataError:
    """The error for a folder where the files of two dates, or two tiles, lie together."""
    return DataError(f"a folder must hold one image: {found}; give the folder of one date")


def find(bands: Sequence[Band], token: str, label: str) -> Band:
    """The band that a token names: by name or description, else by color, else by position.

    Args:
        bands: The bands of an image.
        token: As in `Raster.select`.
        label: What the user called the image.

    Raises:
        DataError: No such band.
    """
    wanted = token.strip().lower()
    spectral = spectral_name(wanted) or spectral_name(f"b{wanted}")
    for band in bands:
        if wanted and wanted in {band.name.lower(), band.description.lower()}:
            return band
        if spectral is not None and spectral == spectral_name(band.name):
            return band
    for band in bands:
        if wanted == band.color.lower():
            return band
    # Where bands have spectral names a number is a name, not a position.
    spectral_names = all(BAND_FILE.search(f"_{band.name}") for band in bands)
    if wanted.isdecimal() and not spectral_names and 1 <= int(wanted) <= len(bands):
        return bands[int(wanted) - 1]
    names = [band.name for band in bands]
    choice = ("; " if any("," in name for name in names) else ", ").join(names)
    raise DataError(f"no band {token!r} in {label}: choose from {choice}{meant(token, names)}")


def refuse_palettes(bands: Iterable[Band]) -> None:
    """Raises DataError where a band holds palette indexes, whose differences mean nothing."""
    for band in bands:
        if band.color == "palette":
            raise DataError(
                f"colors must be values, not palette indexes: {band.path}; "
                "expand it with gdal_translate -expand rgb"
            )
