"""Rasters to read: one file, or a folder of single-band files, on any grid, by windows."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from jaxtyping import Bool, Float32, Shaped
from rasterio.crs import CRS
from rasterio.enums import ColorInterp, Resampling
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.io import DatasetReader, MemoryFile
from rasterio.vrt import WarpedVRT

from metriccd.errors import DataError, GridError
from metriccd.raster.grid import Grid, Window

# _B04, _B8A, _B02_10m: how Sentinel-2 and Landsat name single-band files.
BAND_NAME = re.compile(r"(?:^|[_.-])B(\d{1,2})(A?)(?:[_.-]\d+m)?$", re.IGNORECASE)
BAND_FILES = {".tif", ".tiff", ".jp2", ".img", ".vrt"}
# GDAL has no CRS-free warp; a plane without a name stands in when neither side has a CRS.
UNNAMED_PLANE = CRS.from_epsg(3857)

Pixels = tuple[Float32[np.ndarray, "band row col"], Bool[np.ndarray, "row col"]]


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


@dataclass(frozen=True, kw_only=True)
class Raster:
    """A raster whose pixels are read by windows, resampled to any grid.

    Attributes:
        label: What the user called it.
        bands: The bands that `read` returns, in this order.
        nodata: Value that overrides what the file declares, or None.
    """

    label: str
    bands: tuple[Band, ...]
    nodata: float | None = None
    memory: MemoryFile | None = field(default=None, repr=False, compare=False)

    @property
    def grid(self) -> Grid:
        """Grid of the finest band."""
        return min((band.grid for band in self.bands), key=lambda grid: grid.pixel_size)

    @property
    def files(self) -> tuple[Path, ...]:
        """Files on this machine that hold the bands, each once."""
        paths = dict.fromkeys(band.path for band in self.bands)
        return tuple(Path(path) for path in paths if Path(path).is_file())

    def select(self, tokens: Sequence[str]) -> Raster:
        """This raster with the named bands only, in the order given.

        Args:
            tokens: Numbers from 1, band names ("B04", "4" where names are Sentinel-2's), or
                descriptions, in any case.

        Raises:
            DataError: No such band.
        """
        return replace(self, bands=tuple(self._find(token) for token in tokens))

    def _find(self, token: str) -> Band:
        wanted = token.strip().lower()
        aliases = {wanted, f"b{wanted.zfill(2)}"} if wanted.isdigit() else {wanted}
        for band in self.bands:
            if aliases & {band.name.lower(), band.description.lower()}:
                return band
        if wanted.isdigit() and not self._named() and 1 <= int(wanted) <= len(self.bands):
            return self.bands[int(wanted) - 1]
        names = ", ".join(band.name for band in self.bands)
        raise DataError(f"no band {token!r} in {self.label}: choose from {names}")

    def _named(self) -> bool:
        """True where bands have spectral names, so that a number is a name, not a position."""
        return all(BAND_NAME.search(f"_{band.name}") for band in self.bands)

    @contextmanager
    def reader(
        self, grid: Grid, *, categorical: bool = False
    ) -> Iterator[Callable[[Window], Pixels]]:
        """Opens the files and yields a function that reads a window of `grid`.

        The function returns float32 pixels (band, row, col) and the mask of pixels (row, col)
        that every band holds: not nodata, not masked by alpha or a mask band, finite, not zero
        in all bands. It must stay in the thread that opened it.

        Args:
            grid: Where to resample to.
            categorical: The values are classes: nearest neighbor instead of bilinear, and
                zero is a class, not fill.
        """
        with ExitStack() as stack:
            parts = [
                stack.enter_context(_file_reader(path, bands, grid, self.nodata, categorical))
                for path, bands in self._by_file()
            ]
            order = [band for _, bands in self._by_file() for band in bands]
            places = [order.index(band) for band in self.bands]

            def read(window: Window) -> Pixels:
                found = [part(window) for part in parts]
                data = np.concatenate([pixels for pixels, _ in found])[places]
                valid = np.logical_and.reduce([mask for _, mask in found])
                filled = categorical | (data != 0).any(axis=0)
                return data, valid & np.isfinite(data).all(axis=0) & filled

            yield read

    def _by_file(self) -> list[tuple[str, list[Band]]]:
        groups: dict[str, list[Band]] = {}
        for band in dict.fromkeys(self.bands):
            groups.setdefault(band.path, []).append(band)
        return list(groups.items())


def open_raster(source: str | os.PathLike[str]) -> Raster:
    """Opens what GDAL reads, or a folder of single-band files.

    Args:
        source: A file (GeoTIFF, COG, JP2, VRT, ENVI, PNG, BMP …), a URL, or a folder that
            holds files named like Sentinel-2's `*_B04.tif`, at one or several resolutions.

    Raises:
        DataError: Not found, not a raster, or a folder without band files.
        GridError: Placed by ground control points only.
    """
    path = os.fspath(source)
    if Path(path).is_dir():
        return _open_folder(Path(path))
    if "://" not in path and not path.startswith("/vsi") and not Path(path).exists():
        raise DataError(f"the image must exist: {path} was not found; check the path")
    return Raster(label=path, bands=_bands_of(path))


def from_array(
    array: Shaped[np.ndarray, "band row col"],
    *,
    label: str,
    transform: Affine | None = None,
    crs: Any = None,
    nodata: float | None = None,
    names: Sequence[str] = (),
) -> Raster:
    """A raster held in memory, so that arrays take the same way as files.

    Args:
        array: Pixels.
        label: What to call it in messages.
        transform: From (col, row) to coordinates; None without georeference.
        crs: Anything rasterio takes as a CRS, or None.
        nodata: Value of missing pixels.
        names: Band names.

    Raises:
        DataError: A type that GDAL cannot hold, such as complex numbers or text.
    """
    pixels = np.ascontiguousarray(array)
    if pixels.dtype == np.bool_:
        pixels = pixels.astype(np.uint8)
    if pixels.dtype == np.float16:
        pixels = pixels.astype(np.float32)
    memory = MemoryFile()
    bands, height, width = pixels.shape
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with memory.open(
            driver="GTiff",
            count=bands,
            height=height,
            width=width,
            dtype=pixels.dtype.name,
            crs=crs,
            transform=transform or Affine.identity(),
            BIGTIFF="IF_SAFER",
            PHOTOMETRIC="MINISBLACK",
        ) as target:
            target.write(pixels)
            for index, name in enumerate(names, start=1):
                target.set_band_description(index, name)
    return Raster(label=label, bands=_bands_of(memory.name), nodata=nodata, memory=memory)


def _open_folder(folder: Path) -> Raster:
    """The band files of a folder, the finest where a band comes at several resolutions."""
    files = [file for file in sorted(folder.rglob("*")) if file.suffix.lower() in BAND_FILES]
    pixels = [file for file in files if "IMG_DATA" in file.parts]  # of a Sentinel-2 .SAFE
    found: dict[str, Band] = {}
    for file in pixels or files:
        match = BAND_NAME.search(file.stem)
        if match is None:
            continue
        name = f"B{match[1]}A" if match[2] else f"B{match[1].zfill(2)}"
        band = replace(_bands_of(str(file))[0], name=name)
        if name not in found or band.grid.pixel_size < found[name].grid.pixel_size:
            found[name] = band
    if not found:
        raise DataError(
            f"a folder must hold single-band files named like *_B04.tif: {folder} has none"
        )
    return Raster(label=str(folder), bands=tuple(sorted(found.values(), key=_spectral_order)))


def _spectral_order(band: Band) -> tuple[int, str]:
    """Sorts B8A after B08."""
    return int(re.sub(r"\D", "", band.name)), band.name


def _bands_of(path: str) -> tuple[Band, ...]:
    try:
        with _open(path) as dataset:
            grid = _grid_of(dataset, path)
            bands = tuple(
                _band(dataset, index, grid)
                for index, role in enumerate(dataset.colorinterp, start=1)
                if role is not ColorInterp.alpha
            )
    except RasterioError as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"the image must be a raster GDAL reads: {path}: {reason}") from None
    if not bands:
        raise DataError(f"the image must have bands: {path} has none (a container of subdatasets?)")
    return bands


def _band(dataset: DatasetReader, index: int, grid: Grid) -> Band:
    if dataset.dtypes[index - 1].startswith("complex"):
        raise DataError(
            f"bands must be real numbers: band {index} of {dataset.name} is complex; "
            "take its magnitude first"
        )
    description = dataset.descriptions[index - 1] or ""
    return Band(
        path=dataset.name,
        index=index,
        name=description or str(index),
        description=description,
        color=dataset.colorinterp[index - 1].name,
        grid=grid,
    )


def _grid_of(dataset: DatasetReader, path: str) -> Grid:
    if dataset.crs is None and dataset.gcps[0]:
        raise GridError(
            f"the image must lie on a grid: {path} is placed by ground control points only; "
            "warp it with gdalwarp first"
        )
    return Grid(
        height=dataset.height, width=dataset.width, transform=dataset.transform, crs=dataset.crs
    )


@contextmanager
def _open(path: str) -> Iterator[DatasetReader]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path) as dataset:
            yield dataset


@contextmanager
def _file_reader(
    path: str, bands: list[Band], grid: Grid, nodata: float | None, categorical: bool
) -> Iterator[Callable[[Window], Pixels]]:
    """Reads windows of `grid` from one file: as they are on one lattice, else warped."""
    indexes = [band.index for band in bands]
    with _open(path) as dataset:
        offset = grid.offset_in(bands[0].grid)
        if offset is not None and _holds(bands[0].grid, grid, offset):
            yield lambda window: _read(dataset, indexes, window, offset, nodata)
            return
        with WarpedVRT(dataset, **_warp_options(dataset, grid, nodata, categorical)) as warped:
            yield lambda window: _read(warped, indexes, window, (0, 0), None)


def _holds(outer: Grid, inner: Grid, offset: tuple[int, int]) -> bool:
    row, col = offset
    return (
        row >= 0
        and col >= 0
        and row + inner.height <= outer.height
        and col + inner.width <= outer.width
    )


def _warp_options(
    dataset: DatasetReader, grid: Grid, nodata: float | None, categorical: bool
) -> dict[str, Any]:
    """Bilinear (averaging where it shrinks); what the source lacks stays masked."""
    floating = np.issubdtype(np.dtype(dataset.dtypes[0]), np.floating)
    declared = nodata if nodata is not None else dataset.nodata
    missing = declared if declared is not None else (float("nan") if floating else None)
    options: dict[str, Any] = {
        "src_crs": dataset.crs or UNNAMED_PLANE,
        "crs": grid.crs or UNNAMED_PLANE,
        "transform": grid.transform,
        "height": grid.height,
        "width": grid.width,
        "resampling": Resampling.nearest if categorical else Resampling.bilinear,
        # GDAL's default may misplace a pixel by an eighth to save time; 0 is not accepted.
        "tolerance": 0.01,
    }
    if missing is not None:
        return options | {"src_nodata": missing, "nodata": missing}
    return options | {"add_alpha": ColorInterp.alpha not in dataset.colorinterp}


def _read(
    dataset: DatasetReader | WarpedVRT,
    indexes: list[int],
    window: Window,
    offset: tuple[int, int],
    nodata: float | None,
) -> Pixels:
    row, col = window.row + offset[0], window.col + offset[1]
    area = rasterio.windows.Window(col, row, window.width, window.height)
    try:
        raw = dataset.read(indexes, window=area)
        valid = (dataset.read_masks(indexes, window=area) != 0).all(axis=0)
    except RasterioError as error:
        reason = str(error.__cause__ or error).splitlines()[0]
        raise DataError(
            f"pixels must be readable: {dataset.name}: {reason}; is the file complete?"
        ) from None
    if nodata is not None:
        valid &= (raw != nodata).all(axis=0)
    return raw.astype(np.float32, copy=False), valid
