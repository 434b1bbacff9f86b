"""What an xarray DataArray says of itself: as rioxarray, stackstac, odc-stac, NetCDF write it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pyproj
from affine import Affine
from pyproj.exceptions import CRSError

from metriccd.errors import DataError, GridError

ROWS = {"y", "lat", "latitude", "row", "rows", "northing", "north", "nav_lat", "rlat", "line"}
COLS = {"x", "lon", "longitude", "col", "cols", "easting", "east", "nav_lon", "rlon", "sample"}
BANDS = {"band", "bands", "variable", "wavelength", "wavelengths", "channel", "channels"}
DEGREES = {"lat", "latitude", "lon", "longitude"}
# Units of coordinates that are not those of their CRS, lower case; and what a scan angle is of it.
KILOMETERS = {"km", "kilometer", "kilometers", "kilometre", "kilometres"}
RADIANS = {"rad": 1.0, "radian": 1.0, "radians": 1.0, "microradian": 1e-6, "microradians": 1e-6}
FILLS = ("_FillValue", "missing_value", "fill_value", "nodata", "nodatavals", "no_data")


@runtime_checkable
class DataArrayLike(Protocol):
    """The part of an xarray DataArray that is read; xarray itself is not needed."""

    dims: Any
    coords: Any
    attrs: Any
    values: Any


@dataclass(frozen=True, kw_only=True)
class Laid:
    """An array as (band, row, col), and what it says of itself.

    Attributes:
        values: Pixels (band, row, col).
        transform: From (col, row) of a pixel corner to coordinates, or None.
        crs: Anything that `crs_of` takes, or None.
        nodata: Value of missing pixels, or None.
        scale: Physical value = value · scale + offset.
        offset: Likewise.
        names: Of the bands; may be empty.
        time: When it was taken, where a coordinate tells it.
        notes: What was guessed.
    """

    values: np.ndarray
    transform: Affine | None
    crs: Any
    nodata: float | None
    scale: float
    offset: float
    names: tuple[str, ...]
    time: str | None
    notes: tuple[str, ...]


def is_dataset(image: Any) -> bool:
    """Whether it is an xarray Dataset, whose variables are bands (odc-stac)."""
    return hasattr(image, "data_vars") and hasattr(image, "to_dataarray")


def stacked(dataset: Any, label: str) -> DataArrayLike:
    """The variables of a Dataset that lie on rows and columns, as bands of one array.

    Raises:
        DataError: None does, or they say different things of their values.
    """
    names = [
        name for name, each in dataset.data_vars.items() if _axis(each, ROWS) and _axis(each, COLS)
    ]
    if not names:
        raise DataError(f"a Dataset must have variables on rows and columns: {label} has none")
    said = [
        {key: str(dataset[name].attrs.get(key)) for key in (*FILLS, "scale_factor", "add_offset")}
        for name in names
    ]
    if any(each != said[0] for each in said):
        raise DataError(
            f"variables must be of one unit and nodata: those of {label} differ; open it with "
            "mask_and_scale=True, or give one of them"
        )
    array: DataArrayLike = dataset[names].to_dataarray(dim="band")
    first = dataset[names[0]]
    array.attrs.update({**dataset.attrs, **first.attrs})
    mapping = first.encoding.get("grid_mapping")
    if mapping is not None:
        array.attrs.setdefault("grid_mapping", mapping)
    array.attrs.pop("long_name", None)
    return array


def laid_out(array: DataArrayLike, label: str, axes: str | None) -> Laid:
    """An array as (band, row, col), with its georeference, nodata, unit and names.

    Raises:
        DataError: Axes that are neither rows, columns nor bands.
        GridError: Its coordinates are not evenly spaced, or lie in two dimensions.
    """
    dims = [str(name) for name in array.dims]
    row, col = _axis(array, ROWS), _axis(array, COLS)
    values = np.asarray(array.values)
    if row is None or col is None:
        dims, row, col = _by_position(dims, label, axes)
    rest = [name for name in dims if name not in (row, col)]
    sizes = dict(zip(dims, values.shape, strict=True))
    for name in [each for each in rest if each.lower() not in BANDS and sizes[each] == 1]:
        values, dims = np.squeeze(values, dims.index(name)), [d for d in dims if d != name]
        rest.remove(name)
    if len(rest) > 1 or 0 in values.shape:
        raise DataError(
            f"an array must be (band, row, col) or (row, col): {label} has axes "
            f"{', '.join(f'{name} ({sizes[name]})' for name in sizes)}; choose one date with .isel"
        )
    values = values.transpose([dims.index(name) for name in (*rest, row, col)])
    values = values if rest else values[np.newaxis]
    crs, reference = _crs_of(array)
    notes = []
    transform = _transform(array, row, col, label, reference)
    if crs is None and transform is not None and {row.lower(), col.lower()} <= DEGREES:
        crs = "EPSG:4326"
        notes.append(
            f"{label} has no CRS: its {row} and {col} were taken as WGS 84; .rio.write_crs says "
            "otherwise"
        )
    return Laid(
        values=values,
        transform=transform,
        crs=crs,
        nodata=_nodata(array),
        scale=_number(array.attrs.get("scale_factor")) or 1.0,
        offset=_number(array.attrs.get("add_offset")) or 0.0,
        names=_names(array, rest[0] if rest else None, len(values)),
        time=_time(array),
        notes=tuple(notes),
    )


def _axis(array: Any, names: set[str]) -> str | None:
    """The axis that is called by one of the names, or whose coordinate says that it is."""
    for name in array.dims:
        if str(name).lower() in names:
            return str(name)
    wanted = "y" if "y" in names else "x"
    for name in array.dims:
        told = array.coords[name].attrs if name in array.coords else {}
        standard = str(told.get("standard_name", "")).lower()
        if str(told.get("axis", "")).lower() == wanted or standard in {
            *names,
            f"projection_{wanted}_coordinate",
            f"grid_{'latitude' if wanted == 'y' else 'longitude'}",
        }:
            return str(name)
    return None


def _by_position(dims: list[str], label: str, axes: str | None) -> tuple[list[str], str, str]:
    """Rows and columns of an array that does not name them: as `axes` says, else the last two."""
    unnamed = all(name.startswith("dim_") for name in dims)
    if axes is not None and len(axes.split(",")) == len(dims):
        said = [name.strip() for name in axes.split(",")]
        if {"row", "col"} <= set(said):
            return dims, dims[said.index("row")], dims[said.index("col")]
    last = {name.lower() for name in dims[-2:]}
    if len(dims) in (2, 3) and (unnamed or not last & (BANDS | ROWS | COLS | {"time"})):
        return dims, dims[-2], dims[-1]
    raise DataError(
        f"an array must be (band, row, col): the axes of {label} are ({', '.join(dims)}); rename "
        'them to band, y and x, or say axes="band,row,col"'
    )


def _crs_of(array: DataArrayLike) -> tuple[Any, Mapping[str, Any]]:
    """The CRS, and the attributes of the coordinate that tells it."""
    mapping = array.attrs.get("grid_mapping") or getattr(array, "encoding", {}).get("grid_mapping")
    for name in (mapping, "spatial_ref", "crs"):
        if name is not None and name in array.coords:
            told = dict(array.coords[name].attrs)
            crs = _crs_told(told) or _crs_value(array.coords[name].values)
            if crs or "GeoTransform" in told:
                return crs or _crs_noted(array.attrs.get("crs")), told
    for name in ("proj:code", "epsg", "proj:epsg"):
        crs = _crs_value(array.coords[name].values) if name in array.coords else None
        if crs:
            return crs, {}
    return _crs_noted(array.attrs.get("crs")), {}


def _crs_told(told: Mapping[str, Any]) -> Any:
    """The CRS in the attributes of a grid mapping: as text, or as the CF conventions have it."""
    for key in ("crs_wkt", "spatial_ref", "epsg_code", "proj4text"):
        if told.get(key):
            return told[key]
    if "grid_mapping_name" not in told:
        return None
    try:
        return pyproj.CRS.from_cf(dict(told)).to_wkt()
    except (CRSError, KeyError):
        return None


def _crs_value(value: Any) -> str | None:
    """The CRS in a coordinate's value: a code of EPSG, or text."""
    if np.ndim(value) or not np.size(value):
        return None
    crs = _crs_noted(np.asarray(value).item())
    return crs if isinstance(crs, str) else None


def _crs_noted(crs: Any) -> Any:
    """The CRS in an attribute: a code of EPSG, text, or an object."""
    if isinstance(crs, str):
        crs = crs.strip().removeprefix("+init=")
        return f"EPSG:{crs}" if crs.isdecimal() else crs or None
    if isinstance(crs, int | np.integer):
        return f"EPSG:{crs}" if crs > 0 else None
    return crs


def _transform(
    array: DataArrayLike, row: str, col: str, label: str, reference: Mapping[str, Any]
) -> Affine | None:
    """From coordinates, which follow when an array is cut, and from what is noted beside them.

    A transform that is noted tells rotation, which coordinates cannot, and whether these are of
    the centers of pixels or, as stackstac has them by default, of their corners.

    Raises:
        GridError: The coordinates are not evenly spaced, or lie in two dimensions.
    """
    noted = _noted(array, reference)
    if noted is not None and not noted.is_rectilinear:
        return noted
    if row not in array.coords or col not in array.coords:
        flat = [n for n in ("lat", "latitude", "lon", "longitude") if n in array.coords]
        if noted is None and any(np.ndim(array.coords[name].values) == 2 for name in flat):
            raise GridError(
                f"an image must lie on a grid: {label} is placed by geolocation arrays "
                f"({', '.join(flat)}) only; warp it first: gdalwarp -geoloc"
            )
        return noted
    height = _number(reference.get("perspective_point_height"))
    rows, cols = (_in_meters(array.coords[name], height) for name in (row, col))
    y, dy = _even(rows, label, noted.e if noted else None)
    x, dx = _even(cols, label, noted.a if noted else None)
    if (
        noted is not None
        and _corners(noted.c, noted.a, x, dx)
        and _corners(noted.f, noted.e, y, dy)
    ):
        return Affine(dx, 0.0, x, 0.0, dy, y)
    return Affine(dx, 0.0, x - dx / 2, 0.0, dy, y - dy / 2)


def _in_meters(coordinate: Any, height: float | None) -> Any:
    """A coordinate in the unit of its CRS, where CF's attribute says that it is in another.

    Args:
        coordinate: Along rows or columns.
        height: Of a geostationary satellite, in m, whose scan angles are in radians.
    """
    unit = str(coordinate.attrs.get("units", "")).strip().lower()
    if unit in KILOMETERS:
        return np.asarray(coordinate.values, np.float64) * 1000
    if unit in RADIANS and height is not None:
        return np.asarray(coordinate.values, np.float64) * RADIANS[unit] * height
    return coordinate.values


def _corners(edge: float, step: float, first: float, own: float) -> bool:
    """Whether a coordinate lies on an edge of the noted pixels rather than between two."""
    if not np.isclose(step, own, rtol=1e-6):
        return False
    away = (first - edge) / step
    return abs(away - round(away)) < 0.1


def _noted(array: DataArrayLike, reference: Mapping[str, Any]) -> Affine | None:
    """The transform in the attributes of the CRS or of the array."""
    written = reference.get("GeoTransform")
    if written is not None:
        parts = written.split() if isinstance(written, str) else written
        return Affine.from_gdal(*(float(number) for number in parts))
    told = array.attrs.get("transform")
    if isinstance(told, Affine):
        return told
    if (
        isinstance(told, Sequence | np.ndarray)
        and len(told) in (6, 9)
        and not isinstance(told, str)
    ):
        return Affine(*(float(number) for number in told[:6]))
    return None


def _even(centers: Any, label: str, step: float | None) -> tuple[float, float]:
    """First of some evenly spaced coordinates, and their step.

    Raises:
        GridError: They are not evenly spaced, or there is one and nothing tells the step.
    """
    places = np.asarray(centers, dtype=np.float64)
    steps = np.diff(places)
    if not len(steps) and step is not None:
        return float(places[0]), step
    # Coordinates of float32 are rounded.
    rounding = 4 * float(np.spacing(np.float32(np.abs(places).max()))) if len(places) else 0.0
    rounding = rounding if np.asarray(centers).dtype == np.float32 else 0.0
    if not len(steps) or np.abs(steps - steps[0]).max() > 1e-3 * abs(steps[0]) + rounding:
        raise GridError(
            f"coordinates must be evenly spaced: those of {label} are not; "
            "interpolate them to a grid"
        )
    return float(places[0]), float((places[-1] - places[0]) / len(steps))


def _nodata(array: DataArrayLike) -> float | None:
    """Value of missing pixels; what was masked when it was opened is NaN by now."""
    for name in FILLS:
        number = _number(array.attrs.get(name))
        if number is not None:
            return number
    encoding = getattr(array, "encoding", {})
    for name in FILLS[:2]:
        number = _number(encoding.get(name))
        if number is not None:
            floats = np.asarray(array.values).dtype.kind == "f"
            return float("nan") if floats else number
    return None


def _number(value: Any) -> float | None:
    """A plain number, whatever number it was, the first of several; None where it is none."""
    if value is None or not np.size(value):
        return None
    try:
        return float(np.ravel(value)[0])
    except (TypeError, ValueError):
        return None


def _names(array: DataArrayLike, axis: str | None, count: int) -> tuple[str, ...]:
    """Names of the bands: what describes them, or else their labels."""
    said = array.attrs.get("long_name")
    if isinstance(said, tuple | list) and len(said) == count:
        return tuple(str(name) for name in said)
    name = "band" if axis is None else axis
    if name not in array.coords:
        return ()
    labels = np.atleast_1d(array.coords[name].values)
    if labels.shape != (count,):
        return ()
    if labels.dtype.kind in "iu":
        return _described(array, name, labels, count)
    if name.lower().startswith("wavelength") and labels.dtype.kind == "f":
        return _wavelengths(labels)
    return tuple(str(label) for label in labels)


def _described(array: DataArrayLike, axis: str, labels: np.ndarray, count: int) -> tuple[str, ...]:
    """Names of bands that are numbered: by what lies beside the numbers, if anything does."""
    if axis.lower().startswith("wavelength"):
        return _wavelengths(labels)
    said = array.attrs.get("long_name")
    if isinstance(said, str) and count == 1:
        return (said,)
    for name in ("common_name", "description"):
        if name in array.coords and np.shape(array.coords[name].values) == (count,):
            return tuple(str(other) for other in array.coords[name].values)
    return tuple(str(label) for label in labels)


def _wavelengths(labels: np.ndarray) -> tuple[str, ...]:
    unit = "nm" if float(np.max(labels)) > 100 else "µm"
    return tuple(f"{float(label):g} {unit}" for label in labels)


def _time(array: DataArrayLike) -> str | None:
    """When it was taken, by a coordinate of one time."""
    for name in ("time", "datetime", "t"):
        if name in array.coords and np.size(array.coords[name].values) == 1:
            value = np.ravel(array.coords[name].values)[0]
            if isinstance(value, np.datetime64) and not np.isnat(value):
                return str(value.astype("datetime64[s]"))
    return None
