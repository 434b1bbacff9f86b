"""Reading windows of files: as they are on one lattice, else warped, with what is missing."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
import rasterio
from jaxtyping import Bool, Float32
from rasterio.crs import CRS
from rasterio.enums import ColorInterp, Resampling
from rasterio.errors import NodataShadowWarning, RasterioError
from rasterio.io import DatasetReader, MemoryFile
from rasterio.vrt import WarpedVRT

from metriccd.errors import DataError
from metriccd.raster.bands import Band
from metriccd.raster.grid import Grid, Window
from metriccd.raster.paths import gdal_path, opened, reason, redacted

# GDAL has no CRS-free warp; a plane without a name stands in when neither side has a CRS.
UNNAMED_PLANE = "EPSG:3857"
# No measurement is this large; ESRI's undeclared nodata of -3.4e38 is, even where bilinear
# interpolation has diluted it.
IMPOSSIBLE = 1e30

# Pixels, where they hold anything, and where all of them are zero as they are stored.
Stored = tuple[
    Float32[np.ndarray, "band row col"],
    Bool[np.ndarray, "row col"],
    Bool[np.ndarray, "row col"],
]


@contextmanager
def file_reader(
    bands: Sequence[Band], grid: Grid, *, nodata: float | None, way: Resampling
) -> Iterator[Callable[[Window, int], Stored]]:
    """Yields a function that reads bands of one file: a window of `grid`, so many times coarser.

    Args:
        bands: Of one file, with one mask and one nodata.
        grid: Where to resample to.
        nodata: Value of missing pixels, or None.
        way: How to resample; nearest neighbor where values are classes, which are kept as stored.
    """
    with opened(bands[0].path) as dataset, ExitStack() as stack:
        source = bands[0].grid
        turned = [
            stack.enter_context(
                _turn_reader(dataset, bands, source.turned(turn), grid, nodata, way)
            )
            for turn in grid.turns_of(source)
        ]
        yield lambda window, step: _joined([read(window, step) for read in turned])


def _joined(parts: Sequence[Stored]) -> Stored:
    """What lies at both ends of a grid: pixels of the first turn that holds any."""
    data, valid, zero = parts[0]
    for more, known, none in parts[1:]:
        taken = known & ~valid
        data, zero = np.where(taken, more, data), np.where(taken, none, zero)
        valid = valid | known
    return data, valid, zero


@contextmanager
def _turn_reader(
    dataset: DatasetReader,
    bands: Sequence[Band],
    source: Grid,
    grid: Grid,
    nodata: float | None,
    way: Resampling,
) -> Iterator[Callable[[Window, int], Stored]]:
    indexes = [band.index for band in bands]
    offset = grid.offset_in(source)
    if offset is not None and _holds(source, grid, offset):
        yield lambda window, step: _read(
            dataset, bands, indexes, _area(window, step, grid, offset), nodata, bands[0].mask, way
        )
        return
    with _warped(dataset, bands, source, grid, nodata, way) as (warped, places, missing):
        alpha = ColorInterp.alpha in warped.colorinterp
        mask = str(warped.colorinterp.index(ColorInterp.alpha) + 1) if alpha else None
        yield lambda window, step: _read(
            warped, bands, places, _area(window, step, grid, (0, 0)), missing, mask, way
        )


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
    dataset: DatasetReader,
    bands: Sequence[Band],
    source: Grid,
    grid: Grid,
    nodata: float | None,
    way: Resampling,
) -> Iterator[tuple[WarpedVRT, list[int], float | None]]:
    """Resampled one way (averaging where it shrinks); what the source lacks stays masked.

    Yields:
        The warped file, the numbers of the bands in it, and its nodata.
    """
    missing = _missing(bands[0].dtype, nodata)
    plane = CRS.from_user_input(UNNAMED_PLANE)
    options: dict[str, Any] = {
        "src_crs": source.crs or plane,
        "crs": grid.crs or plane,
        "transform": grid.transform,
        "height": grid.height,
        "width": grid.width,
        "resampling": way,
        # GDAL's default may misplace a pixel by an eighth to save time; 0 is not accepted.
        "tolerance": 0.01,
        # By default nodata counts only where all bands have it, and not at all beside alpha.
        "UNIFIED_SRC_NODATA": "NO",
    }
    if missing is not None:
        options |= {"src_nodata": missing, "nodata": missing}
    elif bands[0].mask is None:
        options |= {"add_alpha": True}
    with ExitStack() as stack:
        warped, places = dataset, [band.index for band in bands]
        if _tells_otherwise(dataset, bands, source, missing):
            memory = stack.enter_context(MemoryFile(_plain_vrt(dataset, bands, source), ext=".vrt"))
            warped, places = stack.enter_context(memory.open()), list(range(1, len(bands) + 1))
        yield stack.enter_context(WarpedVRT(warped, **options)), places, missing


def _tells_otherwise(
    dataset: DatasetReader, bands: Sequence[Band], source: Grid, missing: float | None
) -> bool:
    """Whether GDAL would take from the file itself what is known otherwise."""
    return (
        bands[0].mask is not None
        or (missing is None and any(value is not None for value in dataset.nodatavals))
        or ColorInterp.alpha in dataset.colorinterp
        or dataset.transform != source.transform
    )


def _missing(dtype: str, nodata: float | None) -> float | None:
    """The value to warp around; None where the type of the pixels cannot hold it."""
    kind = np.dtype(dtype)
    if np.issubdtype(kind, np.floating):
        return float("nan") if nodata is None else nodata
    if nodata is None or not float(nodata).is_integer():
        return None
    return nodata if np.iinfo(kind).min <= nodata <= np.iinfo(kind).max else None


def _plain_vrt(dataset: DatasetReader, bands: Sequence[Band], source: Grid) -> bytes:
    """The bands without their declared nodata, with their mask as an alpha band of 0 and 255.

    GDAL warps around alpha only if it spans the whole range of its type, and around a mask
    band only if there is no nodata.
    """
    name = f'<SourceFilename relativeToVRT="0">{escape(gdal_path(dataset.name))}</SourceFilename>'
    kinds = [band.dtype.capitalize().replace("Uint", "UInt") for band in bands]
    parts = [
        f'<VRTRasterBand dataType="{kind.replace("UInt8", "Byte")}" band="{number}">'
        f"<SimpleSource>{name}<SourceBand>{band.index}</SourceBand></SimpleSource></VRTRasterBand>"
        for number, (kind, band) in enumerate(zip(kinds, bands, strict=True), start=1)
    ]
    if bands[0].mask is not None:
        parts.append(
            f'<VRTRasterBand dataType="Byte" band="{len(parts) + 1}">'
            f"<ColorInterp>Alpha</ColorInterp><ComplexSource>{name}"
            f"<SourceBand>{bands[0].mask}</SourceBand>"
            "<LUT>0:0,1e-30:255</LUT></ComplexSource></VRTRasterBand>"
        )
    transform = ",".join(repr(float(value)) for value in source.transform.to_gdal())
    return (
        f'<VRTDataset rasterXSize="{dataset.width}" rasterYSize="{dataset.height}">'
        f"<GeoTransform>{transform}</GeoTransform>{''.join(parts)}</VRTDataset>"
    ).encode()


@dataclass(frozen=True, kw_only=True)
class Area:
    """What of a file becomes what is read.

    Attributes:
        source: Its pixels.
        shape: Rows and columns that are made of them.
    """

    source: rasterio.windows.Window
    shape: tuple[int, int]


def _area(window: Window, step: int, grid: Grid, offset: tuple[int, int]) -> Area:
    """Where in a file a window lies of a grid that is `step` times coarser than its own.

    The last row and column of a coarser grid may reach beyond the file.
    """
    row, col = window.row * step, window.col * step
    height, width = window.height * step, window.width * step
    if step > 1:
        height, width = min(height, grid.height - row), min(width, grid.width - col)
    return Area(
        source=rasterio.windows.Window(col + offset[1], row + offset[0], width, height),
        shape=(window.height, window.width),
    )


def _read(
    dataset: DatasetReader | WarpedVRT,
    bands: Sequence[Band],
    indexes: list[int],
    area: Area,
    nodata: float | None,
    mask: str | None,
    way: Resampling,
) -> Stored:
    categorical = way == Resampling.nearest
    told: dict[str, Any] = {"window": area.source}
    if area.shape != (area.source.height, area.source.width):
        # Smaller copies in the file are taken where there are some.
        resampling = Resampling.nearest if categorical else Resampling.average
        told |= {"out_shape": area.shape, "resampling": resampling}
    try:
        raw = dataset.read(indexes, **_shaped(told, len(indexes)))
        valid = _masked_in(dataset, mask, told, area.shape)
    except RasterioError as error:
        raise DataError(
            f"pixels must be readable: {redacted(bands[0].path)}: {reason(error)}; "
            "is the file complete?"
        ) from None
    if nodata is not None:
        # ESRI's nodata of float64 is declared for float32 too, which cannot hold it.
        with np.errstate(over="ignore"):
            valid &= (raw != nodata).all(axis=0)
    if raw.dtype.kind == "f":
        # False for NaN too.
        valid &= (np.abs(raw) < IMPOSSIBLE).all(axis=0)
    if categorical or all(band.scale == 1 and band.offset == 0 for band in bands):
        # What float32 cannot hold is no more valid than infinity.
        with np.errstate(over="ignore"):
            data = raw.astype(np.float32, copy=False)
    else:
        data = _measured(raw, bands)
        # A scale of 1e308 is one that a header has, but no sensor.
        valid &= (np.abs(data) < IMPOSSIBLE).all(axis=0)
    return data, valid, (raw == 0).all(axis=0)


def _measured(raw: np.ndarray, bands: Sequence[Band]) -> Float32[np.ndarray, "band row col"]:
    """Physical values: what is stored, times the scale of its band, plus the offset."""
    scale, offset = (
        np.array([getattr(band, name) for band in bands])[:, None, None]
        for name in ("scale", "offset")
    )
    with np.errstate(over="ignore", invalid="ignore"):
        measured: Float32[np.ndarray, "band row col"] = (raw * scale + offset).astype(np.float32)
        return measured


def _shaped(told: dict[str, Any], count: int) -> dict[str, Any]:
    """What rasterio is told for so many bands."""
    return told | ({"out_shape": (count, *told["out_shape"])} if "out_shape" in told else {})


def _masked_in(
    dataset: DatasetReader | WarpedVRT,
    mask: str | None,
    told: dict[str, Any],
    shape: tuple[int, int],
) -> Bool[np.ndarray, "row col"]:
    """Where an alpha or mask band lets pixels through; GDAL itself ignores alpha of some types."""
    if mask is None:
        return np.ones(shape, np.bool_)
    if not mask.startswith("mask"):
        alpha: Bool[np.ndarray, "row col"] = dataset.read(int(mask), **told) > 0
        return alpha
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NodataShadowWarning)
        known: Bool[np.ndarray, "row col"]
        known = dataset.read_masks(int(mask.removeprefix("mask,")), **told) != 0
        return known
