"""Images as people hold them: paths, NumPy arrays and xarray DataArrays, all made rasters."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from affine import Affine
from jaxtyping import Shaped
from rasterio.errors import CRSError, NotGeoreferencedWarning
from rasterio.io import MemoryFile

from metriccd.errors import DataError, GridError
from metriccd.raster.bands import identified
from metriccd.raster.data_arrays import DataArrayLike, Laid, is_dataset, laid_out, stacked
from metriccd.raster.grid import crs_of
from metriccd.raster.opening import bands_of
from metriccd.raster.placement import require_pixels
from metriccd.raster.source import Nodata, Raster, open_raster

AXES = ("band", "row", "col")
Image = Any  # a path, a NumPy array (band, row, col), or an xarray DataArray or Dataset


def from_array(
    array: Shaped[np.ndarray, "band row col"],
    *,
    label: str,
    transform: Affine | None = None,
    crs: Any = None,
    nodata: Nodata = None,
    names: Sequence[str] = (),
) -> Raster:
    """A raster held in memory, so that arrays take the same way as files.

    Args:
        array: Pixels.
        label: What to call it in messages.
        transform: From (col, row) to coordinates; None without georeference.
        crs: Anything rasterio takes as a CRS, or None.
        nodata: Value of missing pixels, "none" if there are none, or None.
        names: Band names.

    Raises:
        DataError: A type that GDAL cannot hold, such as complex numbers or text.
    """
    pixels = _storable(np.ascontiguousarray(array))
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
            BIGTIFF="IF_SAFER",
            PHOTOMETRIC="MINISBLACK",
            **({} if crs is None else {"crs": crs}),
            **({} if transform is None else {"transform": transform}),
        ) as target:
            target.write(pixels)
            for index, name in enumerate(names, start=1):
                target.set_band_description(index, name)
    found, note = identified(bands_of(memory.name).bands, ())
    return Raster(
        label=label, bands=found, nodata=nodata, memory=memory, notes=(note,) if note else ()
    )


def _storable(pixels: np.ndarray) -> np.ndarray:
    """The same values in a type that GDAL has."""
    kinds = {"bool": np.uint8, "float16": np.float32, "longdouble": np.float64}
    for name, kind in kinds.items():
        if pixels.dtype == np.dtype(name):
            return pixels.astype(kind)
    # GDAL wants the machine's own order of bytes.
    return pixels.astype(pixels.dtype.newbyteorder("="), copy=False)


def as_raster(
    image: Image, label: str, nodata: Nodata = None, *, axes: str | None = None
) -> Raster:
    """A path, an array, or an xarray DataArray or Dataset, as a raster.

    Args:
        image: What the user gave.
        label: What to call an array in messages.
        nodata: Value of missing pixels, "none" if there are none, or None for what it declares.
        axes: Order of the axes of a NumPy array; "band,row,col" by default.

    Raises:
        DataError: It cannot be read, or its axes are not known.
        GridError: Nothing places its pixels on a grid.
    """
    if isinstance(image, Raster):
        return image
    if isinstance(nodata, str) and nodata != "none":
        raise DataError(f"--nodata must be a number or none: got {nodata}")
    if isinstance(image, np.ndarray):
        masked = isinstance(image, np.ma.MaskedArray)
        if masked:
            image = np.ma.filled(image.astype(np.float64), np.nan)
        # False is a value: there is no other for it.
        known = "none" if nodata is None and image.dtype == np.bool_ else nodata
        raster = from_array(_three_axes(image, label, axes), label=label, nodata=known)
        return _declared(raster, float("nan")) if masked else raster
    if is_dataset(image):
        image = stacked(image, label)
    if isinstance(image, DataArrayLike):
        return _from_data_array(laid_out(image, label, axes), label, nodata)
    if not isinstance(image, str | os.PathLike):
        kind = f"{type(image).__module__}.{type(image).__name__}".removeprefix("builtins.")
        raise DataError(
            f"an image is a path, a NumPy array or an xarray DataArray or Dataset: {label} is "
            f"{kind}; give its path, or numpy.asarray of it"
        )
    return replace(open_raster(image), nodata=nodata)


def _declared(raster: Raster, nodata: float | None) -> Raster:
    """The raster with what it declares missing."""
    return replace(raster, bands=tuple(replace(band, nodata=nodata) for band in raster.bands))


def _three_axes(array: Any, label: str, axes: str | None) -> Any:
    """An array as (band, row, col).

    Raises:
        DataError: Other axes, or an order that is not said and unlikely.
    """
    if array.dtype.kind not in "biuf":
        raise DataError(f"an array must hold real numbers: {label} holds {array.dtype}")
    if array.ndim not in (2, 3) or 0 in array.shape:
        raise DataError(
            f"an array must be (band, row, col) or (row, col): {label} has shape {array.shape}; "
            "take one date, or say the order with axes="
        )
    if axes is not None:
        return _ordered(array, label, axes)
    if array.ndim == 2:
        return array[np.newaxis]
    if array.shape[2] < min(array.shape[:2]):
        raise DataError(
            f"an array must be (band, row, col): {label} has shape {array.shape}, which looks "
            'like (row, col, band); say axes="row,col,band", or axes="band,row,col" if it is not'
        )
    return array


def _ordered(array: Any, label: str, axes: str) -> Any:
    names = [name.strip() for name in axes.split(",")]
    wanted = AXES[-array.ndim :]
    if sorted(names) != sorted(wanted):
        if array.ndim == 2 and sorted(names) == sorted(AXES):
            return array[np.newaxis]
        raise DataError(
            f"axes must be band, row and col in some order: got {axes!r} for {label} of shape "
            f"{array.shape}"
        )
    moved = array.transpose([names.index(name) for name in wanted])
    return moved if array.ndim == 3 else moved[np.newaxis]


def _from_data_array(laid: Laid, label: str, nodata: Nodata) -> Raster:
    """A raster of what an array says of itself.

    Raises:
        GridError: A CRS without coordinates, or a transform that gives pixels no area.
    """
    if laid.values.dtype.kind not in "biuf":
        raise DataError(f"an array must hold real numbers: {label} holds {laid.values.dtype}")
    try:
        crs = None if laid.crs is None else crs_of(laid.crs)
    except CRSError:
        raise GridError(
            f"a CRS must be known to PROJ: {label} has {str(laid.crs)[:60]!r}; "
            "write another one with .rio.write_crs"
        ) from None
    if laid.transform is None and crs is not None:
        raise GridError(
            f"an image must lie on a grid: {label} has a CRS and neither coordinates nor a "
            "transform; give them with .assign_coords or .rio.write_transform, or reproject "
            "swaths with gdalwarp -geoloc first"
        )
    if laid.transform is not None:
        require_pixels(laid.transform, label)
    raster = from_array(
        laid.values, label=label, transform=laid.transform, crs=crs, nodata=nodata, names=laid.names
    )
    bands = tuple(
        replace(band, nodata=laid.nodata, scale=laid.scale, offset=laid.offset)
        for band in raster.bands
    )
    return replace(raster, bands=bands, acquired=laid.time, notes=(*raster.notes, *laid.notes))
