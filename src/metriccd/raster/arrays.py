"""Images as people hold them: paths, NumPy arrays and xarray DataArrays, all made rasters."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
from affine import Affine
from jaxtyping import Shaped
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import MemoryFile

from metriccd.errors import DataError, GridError
from metriccd.raster.source import Raster, bands_of, open_raster


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
    return Raster(label=label, bands=bands_of(memory.name), nodata=nodata, memory=memory)


# Names of the axes (row, col) by which an xarray with the bands last is known.
SPATIAL_AXES = {("y", "x"), ("lat", "lon"), ("latitude", "longitude"), ("row", "col")}

Image = Any  # a path, a NumPy array (band, row, col), or an xarray DataArray


@runtime_checkable
class DataArrayLike(Protocol):
    """The part of an xarray DataArray that is read; xarray itself is not needed."""

    dims: Any
    coords: Any
    attrs: Any
    values: Any


def as_raster(image: Image, label: str, nodata: float | None = None) -> Raster:
    """A path, an array (band, row, col) or (row, col), or an xarray DataArray, as a raster."""
    if isinstance(image, Raster):
        return image
    if isinstance(image, np.ma.MaskedArray):
        image = np.ma.filled(image.astype(np.float64), np.nan)
    if isinstance(image, np.ndarray):
        return from_array(_three_axes(image, label), label=label, nodata=nodata)
    if isinstance(image, DataArrayLike):
        return _from_data_array(image, label, nodata)
    return replace(open_raster(image), nodata=nodata)


def _three_axes(array: Any, label: str) -> Any:
    stacked = array[np.newaxis] if array.ndim == 2 else array
    if stacked.ndim != 3 or 0 in stacked.shape:
        raise DataError(
            f"an array must be (band, row, col) or (row, col): {label} has shape {array.shape}"
        )
    if stacked.dtype.kind not in "biuf":
        raise DataError(f"an array must hold real numbers: {label} holds {array.dtype}")
    return stacked


def _from_data_array(array: DataArrayLike, label: str, nodata: float | None) -> Raster:
    """Takes transform, CRS and nodata from the coordinates that rioxarray writes."""
    reference = array.coords["spatial_ref"].attrs if "spatial_ref" in array.coords else {}
    missing = nodata if nodata is not None else array.attrs.get("_FillValue")
    names = array.coords["band"].values if "band" in array.coords else ()
    return from_array(
        _three_axes(_bands_first(array), label),
        label=label,
        transform=_rotated_transform(reference) or _transform_of(array, label),
        crs=reference.get("crs_wkt") or reference.get("spatial_ref"),
        nodata=missing,
        names=[str(name) for name in np.atleast_1d(names)],
    )


def _bands_first(array: DataArrayLike) -> Any:
    """Values with the axes (band, row, col), also of arrays with the bands last."""
    values = np.asarray(array.values)
    if len(array.dims) == 3 and tuple(array.dims[:2]) in SPATIAL_AXES:
        return np.moveaxis(values, -1, 0)
    return values


def _rotated_transform(reference: Mapping[str, Any]) -> Affine | None:
    """The transform noted beside the CRS, if it is rotated: then coordinates do not tell it.

    Else the coordinates do, and they follow when somebody cuts the array.
    """
    written = reference.get("GeoTransform")
    if written is None:
        return None
    transform = Affine.from_gdal(*(float(number) for number in written.split()))
    return None if transform.is_rectilinear else transform


def _transform_of(array: DataArrayLike, label: str) -> Affine | None:
    """Transform from the coordinates of the pixel centers, where the axes have them.

    Raises:
        GridError: The coordinates are not evenly spaced.
    """
    dims = tuple(array.dims)
    row_axis, col_axis = dims[:2] if dims[:2] in SPATIAL_AXES else dims[-2:]
    if row_axis not in array.coords or col_axis not in array.coords:
        return None
    y, dy = _even(array.coords[row_axis].values, label)
    x, dx = _even(array.coords[col_axis].values, label)
    return Affine(dx, 0.0, x - dx / 2, 0.0, dy, y - dy / 2)


def _even(centers: Any, label: str) -> tuple[float, float]:
    """First of some evenly spaced coordinates, and their step."""
    places = np.asarray(centers, dtype=np.float64)
    steps = np.diff(places)
    if not len(steps) or np.abs(steps - steps[0]).max() > 1e-3 * abs(steps[0]):
        raise GridError(
            f"coordinates must be evenly spaced: those of {label} are not; "
            "interpolate them to a grid"
        )
    return float(places[0]), float((places[-1] - places[0]) / len(steps))
