"""Folders of single-band files: which files they are, and that they are one image."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from metriccd.errors import DataError
from metriccd.raster.band import Band

# _B04, _B8A, _B02_10m: how Sentinel-2 and Landsat name single-band files.
BAND_FILE = re.compile(r"(?:^|[_.-])B(\d{1,2})(A?)(?:[_.-]\d+m)?$", re.IGNORECASE | re.ASCII)
# LC08_…_B4: the numbers of Landsat's bands are not those of Sentinel-2.
LANDSAT_FILE = re.compile(r"L[COTEM]0?\d_?", re.IGNORECASE)
# Landsat Level 2 calls surface reflectance SR_B4 and surface temperature ST_B10.
PRODUCT = re.compile(r"[_.-]S[RT]$", re.IGNORECASE)
BAND_SUFFIXES = {".tif", ".tiff", ".jp2", ".img", ".vrt"}
# Layers that come beside the bands of a product and are none.
BESIDE = re.compile(
    r"(?:^|[_.-])(?:QA|PIXEL|RADSAT|SCL|TCI|AOT|WVP|PVI|MSK|CLDPRB|SNWPRB|Fmask|ANG|VAA|VZA|SAA|"
    r"SZA|AEROSOL|ATRAN|CDIST|DRAD|EMIS|EMSD|TRAD|URAD|preview)",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True)
class BandFiles:
    """Files of a folder.

    Attributes:
        bands: Name of a band, and its file, each at every resolution.
        others: Rasters that are no bands, nor known to come beside them.
    """

    bands: tuple[tuple[str, Path], ...]
    others: tuple[Path, ...]


def name_of_file(stem: str) -> tuple[str, str] | None:
    """Band name and image name of a single-band file, or None where it has no band name.

    Landsat's bands are "B1", "B2", …, so that they never pass for Sentinel-2's "B01", "B02", ….
    """
    match = BAND_FILE.search(stem)
    if match is None:
        return None
    image, number = PRODUCT.sub("", stem[: match.start()]), int(match[1])
    if LANDSAT_FILE.match(stem):
        return f"B{number}{match[2].upper()}", image
    return (f"B{number}A" if match[2] else f"B{number:02}"), image


def band_files(folder: Path) -> BandFiles:
    """The files of a folder of single-band files; hidden ones are none, such as macOS's ._ files.

    There may be none.
    """
    files = [
        file
        for file in sorted(folder.rglob("*"))
        if file.suffix.lower() in BAND_SUFFIXES and not file.name.startswith(".")
    ]
    pixels = [file for file in files if "IMG_DATA" in file.parts]  # of a Sentinel-2 .SAFE
    named = [(names[0], file) for file in pixels or files if (names := name_of_file(file.stem))]
    bands = {file for _, file in named}
    others = [file for file in files if file not in bands and not BESIDE.search(file.stem)]
    return BandFiles(bands=tuple(named), others=() if pixels else tuple(others))


def no_bands(folder: Path) -> DataError:
    """The error for a folder without band files."""
    return DataError(
        f"a folder must hold single-band files named like *_B04.tif: {folder} has none; give a "
        "file in it, or a folder that GDAL reads as one raster, such as a Zarr"
    )


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
