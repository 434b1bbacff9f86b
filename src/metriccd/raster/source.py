"""Rasters to read: one file, or a folder of single-band files, on any grid, by windows."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
import rasterio
from jaxtyping import Bool, Float32
from rasterio.crs import CRS
from rasterio.enums import ColorInterp, MaskFlags, Resampling
from rasterio.errors import NodataShadowWarning, NotGeoreferencedWarning, RasterioError
from rasterio.io import DatasetReader, MemoryFile
from rasterio.vrt import WarpedVRT

from metriccd.errors import DataError, GridError
from metriccd.raster.grid import Grid, Window
from metriccd.raster.naming import (
    Band,
    band_files,
    find,
    in_spectral_order,
    name_in_file,
    refuse_palettes,
    two_images,
)

# GDAL has no CRS-free warp; a plane without a name stands in when neither side has a CRS.
UNNAMED_PLANE = CRS.from_epsg(3857)
# No measurement is this large; ESRI's undeclared nodata of -3.4e38 is, even where bilinear
# interpolation has diluted it.
IMPOSSIBLE = 1e30

Pixels = tuple[Float32[np.ndarray, "band row col"], Bool[np.ndarray, "row col"]]


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
        label: What the user called it.
        bands: The bands that `read` returns, in this order.
        nodata: Value that overrides what the file declares, or None.
        origin: The catalog entry it comes from, if one is known.
    """

    label: str
    bands: tuple[Band, ...]
    nodata: float | None = None
    origin: Origin | None = None
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
            tokens: Numbers from 1, band names ("B04", "4" or "8A" where names are spectral),
                descriptions, or colors that the file states, in any case.

        Raises:
            DataError: No such band.
        """
        return replace(self, bands=tuple(find(self.bands, token, self.label) for token in tokens))

    @contextmanager
    def reader(
        self, grid: Grid, *, categorical: bool = False, cubic: bool = False
    ) -> Iterator[Callable[[Window], Pixels]]:
        """Opens the files and yields a function that reads a window of `grid`.

        The function returns float32 pixels (band, row, col) and the mask of pixels (row, col)
        that every band holds: not nodata, not masked by alpha or a mask band, finite and
        possible, not zero in all bands. It must stay in the thread that opened it.

        Args:
            grid: Where to resample to.
            categorical: The values are classes: nearest neighbor instead of bilinear, and
                zero is a class, not fill.
            cubic: Cubic convolution instead of bilinear: sharper where pixels keep their size.

        Raises:
            DataError: Palette indexes where values are needed, or a file that cannot be read.
        """
        if not categorical:
            refuse_palettes(self.bands)
        with ExitStack() as stack:
            way = Resampling.cubic if cubic else Resampling.bilinear
            way = Resampling.nearest if categorical else way
            parts = [
                stack.enter_context(_file_reader(path, bands, grid, self.nodata, way))
                for path, bands in self._by_file()
            ]
            order = [band for _, bands in self._by_file() for band in bands]
            places = [order.index(band) for band in self.bands]

            def read(window: Window) -> Pixels:
                found = [part(window) for part in parts]
                data, valid = found[0]
                if len(found) > 1:
                    data = np.concatenate([pixels for pixels, _ in found])
                    valid = np.logical_and.reduce([mask for _, mask in found])
                data = data if places == list(range(len(data))) else data[places]
                if not categorical:
                    valid &= (data != 0).any(axis=0)
                return data, valid

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
        DataError: Not found, not a raster, or a folder without band files or of two images.
        GridError: Placed by ground control points only.
    """
    path = os.fspath(source)
    if Path(path).is_dir():
        return _open_folder(Path(path))
    return Raster(label=path, bands=bands_of(path))


def _open_folder(folder: Path) -> Raster:
    """The band files of a folder, the finest where a band comes at several resolutions."""
    found: dict[str, Band] = {}
    for name, file in band_files(folder):
        band = replace(bands_of(str(file))[0], name=name)
        known = found.get(name)
        if known is not None and known.grid.pixel_size == band.grid.pixel_size:
            raise two_images(f"{name} is in {known.path} and {file}")
        if known is None or band.grid.pixel_size < known.grid.pixel_size:
            found[name] = band
    return Raster(label=str(folder), bands=in_spectral_order(found.values()))


def bands_of(path: str) -> tuple[Band, ...]:
    """The bands of one file.

    Raises:
        DataError: Not found, not a raster, or a container without bands of its own.
    """
    try:
        with _open(path) as dataset:
            grid = _grid_of(dataset, path)
            bands = tuple(
                _band(dataset, index, grid)
                for index, role in enumerate(dataset.colorinterp, start=1)
                if role is not ColorInterp.alpha
            )
    except RasterioError as error:
        if "://" not in path and not path.startswith("/vsi") and not Path(path).exists():
            raise DataError(f"the image must exist: {path} was not found; check the path") from None
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
        name=name_in_file(description, Path(dataset.name).stem) or str(index),
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
    path: str, bands: list[Band], grid: Grid, nodata: float | None, way: Resampling
) -> Iterator[Callable[[Window], Pixels]]:
    """Reads windows of `grid` from one file: as they are on one lattice, else warped."""
    indexes = [band.index for band in bands]
    with _open(path) as dataset:
        offset = grid.offset_in(bands[0].grid)
        if offset is not None and _holds(bands[0].grid, grid, offset):
            missing = [nodata] * len(indexes)
            if nodata is None:
                missing = [dataset.nodatavals[index - 1] for index in indexes]
            yield lambda window: _read(dataset, indexes, window, offset, missing)
            return
        with _warped(dataset, grid, nodata, way) as warped:
            missing = [warped.nodata] * len(indexes)
            yield lambda window: _read(warped, indexes, window, (0, 0), missing)


def _holds(outer: Grid, inner: Grid, offset: tuple[int, int]) -> bool:
    row, col = offset
    return (
        row >= 0
        and col >= 0
        and row + inner.height <= outer.height
        and col + inner.width <= outer.width
    )


@contextmanager
def _warped(
    dataset: DatasetReader, grid: Grid, nodata: float | None, way: Resampling
) -> Iterator[WarpedVRT]:
    """Resampled one way (averaging where it shrinks); what the source lacks stays masked."""
    missing = _missing(dataset, nodata)
    options: dict[str, Any] = {
        "src_crs": dataset.crs or UNNAMED_PLANE,
        "crs": grid.crs or UNNAMED_PLANE,
        "transform": grid.transform,
        "height": grid.height,
        "width": grid.width,
        "resampling": way,
        # GDAL's default may misplace a pixel by an eighth to save time; 0 is not accepted.
        "tolerance": 0.01,
        # By default nodata counts only where all bands have it, and not at all beside alpha.
        "UNIFIED_SRC_NODATA": "NO",
    }
    mask = _mask_source(dataset)
    if missing is not None:
        options |= {"src_nodata": missing, "nodata": missing}
    elif mask is None:
        options |= {"add_alpha": True}
    with ExitStack() as stack:
        source = dataset
        if mask is not None or (missing is None and dataset.nodata is not None):
            memory = stack.enter_context(MemoryFile(_plain_vrt(dataset, mask), ext=".vrt"))
            source = stack.enter_context(memory.open())
        yield stack.enter_context(WarpedVRT(source, **options))


def _missing(dataset: DatasetReader, nodata: float | None) -> float | None:
    """The value to warp around; None where the type of the pixels cannot hold it."""
    value: float | None = nodata if nodata is not None else dataset.nodata
    dtype = np.dtype(dataset.dtypes[0])
    if np.issubdtype(dtype, np.floating):
        return float("nan") if value is None else value
    if value is None or not float(value).is_integer():
        return None
    return value if np.iinfo(dtype).min <= value <= np.iinfo(dtype).max else None


def _mask_source(dataset: DatasetReader) -> str | None:
    """What a VRT calls the band that says where pixels are: alpha, or else a mask band."""
    if ColorInterp.alpha in dataset.colorinterp:
        return str(dataset.colorinterp.index(ColorInterp.alpha) + 1)
    return "mask,1" if _has_mask_band(dataset, 1) else None


def _has_mask_band(dataset: DatasetReader | WarpedVRT, index: int) -> bool:
    """True where a mask says what is valid, not nodata or alpha, which are read as such."""
    others = {MaskFlags.all_valid, MaskFlags.nodata, MaskFlags.alpha}
    return not others & set(dataset.mask_flag_enums[index - 1])


def _plain_vrt(dataset: DatasetReader, mask: str | None) -> bytes:
    """The dataset without its declared nodata, and with its mask as an alpha band of 0 and 255.

    GDAL warps around alpha only if it spans the whole range of its type, and around a mask
    band only if there is no nodata.
    """
    file = f'<SourceFilename relativeToVRT="0">{escape(dataset.name)}</SourceFilename>'
    types = [dtype.capitalize().replace("Uint", "UInt") for dtype in dataset.dtypes]
    bands = [
        f'<VRTRasterBand dataType="{kind.replace("UInt8", "Byte")}" band="{index}">'
        f"<SimpleSource>{file}<SourceBand>{index}</SourceBand></SimpleSource></VRTRasterBand>"
        for index, kind in enumerate(types, start=1)
    ]
    if mask is not None:
        bands.append(
            f'<VRTRasterBand dataType="Byte" band="{len(bands) + 1}">'
            f"<ColorInterp>Alpha</ColorInterp><ComplexSource>{file}<SourceBand>{mask}</SourceBand>"
            "<LUT>0:0,1e-30:255</LUT></ComplexSource></VRTRasterBand>"
        )
    transform = ",".join(repr(float(value)) for value in dataset.transform.to_gdal())
    return (
        f'<VRTDataset rasterXSize="{dataset.width}" rasterYSize="{dataset.height}">'
        f"<GeoTransform>{transform}</GeoTransform>{''.join(bands)}</VRTDataset>"
    ).encode()


def _read(
    dataset: DatasetReader | WarpedVRT,
    indexes: list[int],
    window: Window,
    offset: tuple[int, int],
    missing: Sequence[float | None],
) -> Pixels:
    row, col = window.row + offset[0], window.col + offset[1]
    area = rasterio.windows.Window(col, row, window.width, window.height)
    try:
        raw = dataset.read(indexes, window=area)
        valid = _masked_in(dataset, indexes, area)
    except RasterioError as error:
        reason = str(error.__cause__ or error).splitlines()[0]
        raise DataError(
            f"pixels must be readable: {dataset.name}: {reason}; is the file complete?"
        ) from None
    for layer, value in zip(raw, missing, strict=True):
        if value is not None:
            # ESRI's nodata of float64 is declared for float32 too, which cannot hold it.
            with np.errstate(over="ignore"):
                valid &= layer != value
    if raw.dtype.kind == "f":
        # False for NaN too.
        valid &= (np.abs(raw) < IMPOSSIBLE).all(axis=0)
    return raw.astype(np.float32, copy=False), valid


def _masked_in(
    dataset: DatasetReader | WarpedVRT, indexes: list[int], area: rasterio.windows.Window
) -> Bool[np.ndarray, "row col"]:
    """Where alpha and mask bands let pixels through; GDAL itself ignores alpha of some types."""
    valid = np.ones((area.height, area.width), np.bool_)
    if ColorInterp.alpha in dataset.colorinterp:
        alpha = dataset.colorinterp.index(ColorInterp.alpha) + 1
        valid &= dataset.read(alpha, window=area) > 0
    masks = [index for index in indexes if _has_mask_band(dataset, index)]
    if masks:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NodataShadowWarning)
            valid &= (dataset.read_masks(masks, window=area) != 0).all(axis=0)
    return valid
