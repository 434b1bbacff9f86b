"""Images as people hold them: paths, NumPy arrays and xarray DataArrays, all made rasters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
from affine import Affine

from metriccd.errors import DataError, GridError
from metriccd.raster import Grid, Raster, from_array, open_raster

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


def on_lattice(raster: Raster, grid: Grid, noun: str) -> Raster:
    """Places a raster without georeference on the pixels of `grid`, if it has their number.

    Raises:
        GridError: It has neither a CRS as the grid has, nor the grid's size.
    """
    if (raster.grid.crs is None) == (grid.crs is None) and raster.grid.georeferenced:
        return raster
    if raster.grid.shape != grid.shape:
        raise GridError(
            f"{noun} must lie on the images' grid: {raster.label} shares no CRS with them and is "
            f"{raster.grid.height}×{raster.grid.width}, they are {grid.height}×{grid.width}"
        )
    return replace(raster, bands=tuple(replace(band, grid=grid) for band in raster.bands))
