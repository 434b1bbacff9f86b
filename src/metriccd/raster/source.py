"""Rasters to read: one file, or a folder of single-band files, on any grid, by windows."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float32
from rasterio.enums import Resampling
from rasterio.io import MemoryFile

from metriccd.errors import DataError
from metriccd.raster.bands import Band, find, identified, nameless, refuse_palettes, renamed
from metriccd.raster.grid import Grid, Window
from metriccd.raster.opening import bands_of, open_file
from metriccd.raster.paths import parts_of, redacted, require_text
from metriccd.raster.reading import file_reader
from metriccd.trust import admit

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

Pixels = tuple[Float32[np.ndarray, "band row col"], Bool[np.ndarray, "row col"]]
# A value, "none" for an image without missing pixels whatever it declares, or what it declares.
Nodata = float | Literal["none"] | None


@dataclass(frozen=True, kw_only=True)
class Origin:
    """The catalog entry that an image comes from.

    Attributes:
        href: Address of the STAC item.
        id: Its id.
        when: When the image was taken.
        offset: What is to be added to its values, where the item tells.
    """

    href: str
    id: str
    when: datetime | None
    offset: float | None


@dataclass(frozen=True, kw_only=True)
class Raster:
    """A raster whose pixels are read by windows, resampled to any grid.

    Attributes:
        label: What the user called it, without secrets.
        bands: The bands that `read` returns, in this order.
        alpha: Bands that say where pixels are, and are compared only if they are asked for.
        nodata: Value that overrides what the file declares, "none", or None.
        notes: What was guessed of it, a line each.
        acquired: When, where an array's coordinates tell it: ISO 8601.
        origin: The catalog entry it comes from, if one is known.
        seen: What reading came upon: "zeros", where these were taken for fill.
    """

    label: str
    bands: tuple[Band, ...]
    alpha: tuple[Band, ...] = ()
    nodata: Nodata = None
    notes: tuple[str, ...] = ()
    acquired: str | None = None
    origin: Origin | None = None
    memory: MemoryFile | None = field(default=None, repr=False, compare=False)
    seen: set[str] = field(default_factory=set, repr=False, compare=False)

    @property
    def grid(self) -> Grid:
        """Grid of the finest band."""
        return min((band.grid for band in self.bands), key=lambda grid: grid.pixel_size)

    @property
    def files(self) -> tuple[Path, ...]:
        """Files on this machine that hold the bands, each once.

        Sources of a VRT, masks and headers beside a file, and the archive it lies in, too.
        """
        return self.parts[0]

    @property
    def parts(self) -> tuple[tuple[Path, ...], tuple[str, ...]]:
        """These files, and the names of what is not on this machine."""
        if self.memory is not None:
            return (), ()
        found = [parts_of(path) for path in dict.fromkeys(band.path for band in self.bands)]
        files, elsewhere = (
            tuple(dict.fromkeys(each for part in parts for each in part))
            for parts in zip(*found, strict=True)
        )
        return files, elsewhere

    @property
    def nameless(self) -> bool:
        """Whether nothing names its bands."""
        return nameless(self.bands)

    @property
    def zeros_are_fill(self) -> bool:
        """Whether zero in all bands is taken for fill: where nothing says what is missing."""
        declared = any(band.nodata is not None or band.mask is not None for band in self.bands)
        return self.nodata is None and not declared

    def select(self, tokens: Sequence[str]) -> Raster:
        """This raster with the named bands only, in the order given.

        Args:
            tokens: Numbers from 1, band names ("B04", "4" or "8A" where names are spectral),
                descriptions, or colors and common names such as "nir", in any case. A band that
                the file declares alpha is compared where it is named.

        Raises:
            DataError: No such band.
        """
        every = (*self.bands, *self.alpha)
        chosen = tuple(find(every, token, self.label) for token in tokens)
        measured = {str(band.index) for band in chosen if band in self.alpha}
        bands = [replace(each, mask=None) if each.mask in measured else each for each in chosen]
        # What names alpha has answered the note on it.
        notes = tuple(note for note in self.notes if not measured or "declared alpha" not in note)
        return replace(self, bands=tuple(bands), notes=notes)

    def renamed(self, names: Sequence[str]) -> Raster:
        """This raster with bands called as the user says.

        Raises:
            DataError: There are not as many names as bands.
        """
        if self.alpha and len(names) == len(self.bands) + len(self.alpha):
            every = sorted((*self.bands, *self.alpha), key=lambda band: band.index)
            plain = [replace(band, mask=None) for band in every]
            return replace(self, bands=renamed(plain, names, self.label), alpha=(), notes=())
        return replace(self, bands=renamed(self.bands, names, self.label), notes=())

    @contextmanager
    def reader(
        self, grid: Grid, *, categorical: bool = False, cubic: bool = False
    ) -> Iterator[Callable[[Window], Pixels]]:
        """Opens the files and yields a function that reads a window of `grid`.

        The function returns float32 pixels (band, row, col), in the unit that scale and offset
        give, and the mask of pixels (row, col) that every band holds: not nodata, not masked by
        alpha or a mask band, finite and possible; and, where the file declares none of these,
        not zero in all bands. It must stay in the thread that opened it.

        Args:
            grid: Where to resample to.
            categorical: The values are classes: nearest neighbor instead of bilinear, and
                zero is a class, not fill.
            cubic: Cubic convolution instead of bilinear: sharper where pixels keep their size.

        Raises:
            DataError: Palette indexes where values are needed, or a file that cannot be read.
        """
        with self.zoomed(grid, categorical=categorical, cubic=cubic) as read:
            yield lambda window: read(window, 1)

    @contextmanager
    def zoomed(
        self, grid: Grid, *, categorical: bool = False, cubic: bool = False
    ) -> Iterator[Callable[[Window, int], Pixels]]:
        """As `reader`, of grids that are coarser than `grid`, so many times along a side.

        It reads no more than it must: smaller copies of the image that the file holds are taken
        where they are fine enough. Where there are none, it averages.
        """
        if not categorical:
            refuse_palettes(self.bands)
        fill = self.zeros_are_fill and not categorical
        with ExitStack() as stack:
            way = Resampling.cubic if cubic else Resampling.bilinear
            way = Resampling.nearest if categorical else way
            parts = [
                stack.enter_context(
                    file_reader(bands, grid, nodata=self._missing(bands[0]), way=way)
                )
                for bands in self._alike()
            ]
            order = [band for bands in self._alike() for band in bands]
            places = [order.index(band) for band in self.bands]

            def read(window: Window, step: int) -> Pixels:
                found = [part(window, step) for part in parts]
                data, valid, zero = found[0]
                if len(found) > 1:
                    data = np.concatenate([pixels for pixels, _, _ in found])
                    valid = np.logical_and.reduce([mask for _, mask, _ in found])
                    zero = np.logical_and.reduce([none for _, _, none in found])
                data = data if places == list(range(len(data))) else data[places]
                if fill and (valid & zero).any():
                    self.seen.add("zeros")
                    valid &= ~zero
                return data, valid

            yield read

    def _missing(self, band: Band) -> float | None:
        if self.nodata == "none":
            return None
        return band.nodata if self.nodata is None else float(self.nodata)

    def _alike(self) -> list[list[Band]]:
        """Bands of one file, with one mask and one nodata, together."""
        groups: dict[tuple[str, str | None, str, str], list[Band]] = {}
        for band in dict.fromkeys(self.bands):
            key = (band.path, band.mask, str(self._missing(band)), band.dtype)
            groups.setdefault(key, []).append(band)
        return list(groups.values())


def open_raster(source: str | os.PathLike[str]) -> Raster:
    """Opens what GDAL reads, or a folder of single-band files.

    Args:
        source: A file (GeoTIFF, COG, JP2, VRT, ENVI, PNG, BMP …), a URL, a folder that GDAL
            reads as one raster (Zarr), or one that holds files named like Sentinel-2's
            `*_B04.tif`, at one or several resolutions.

    Raises:
        DataError: Not found, not a raster, or a folder without band files or of two images.
        GridError: Nothing places its pixels on a grid.
    """
    path = os.fspath(source)
    require_text(path)
    if Path(path).is_dir():
        folder = Path(path)
        files = band_files(folder)
        if files.bands:
            return _open_folder(folder, files)
        admit(path)
        try:
            found = open_file(path)
        except DataError as error:
            raise (error if "container" in str(error) else no_bands(folder)) from None
    else:
        found = open_file(path)
    return Raster(label=redacted(path), bands=found.bands, alpha=found.alpha, notes=found.notes)


def _open_folder(folder: Path, files: BandFiles) -> Raster:
    """The band files of a folder, the finest where a band comes at several resolutions."""
    found: dict[str, Band] = {}
    for name, file in files.bands:
        band = replace(bands_of(str(file)).bands[0], name=name)
        known = found.get(name)
        if known is not None and known.grid.pixel_size == band.grid.pixel_size:
            raise two_images(f"{name} is in {known.path} and {file}")
        if known is None or band.grid.pixel_size < known.grid.pixel_size:
            found[name] = band
    ordered = in_spectral_order(found.values())
    texts = [Path(ordered[0].path).stem, folder.name]
    bands, _ = identified(ordered, texts)
    notes: tuple[str, ...] = ()
    if files.others:
        names = ", ".join(file.name for file in files.others[:3])
        more = ", …" if len(files.others) > 3 else ""
        notes = (f"{folder} holds rasters whose names tell no band, left out: {names}{more}",)
    return Raster(label=str(folder), bands=bands, notes=notes)


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
