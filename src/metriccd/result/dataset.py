"""A result as an xarray Dataset."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Bool, Float32

from metriccd.raster import Grid


def to_dataset(
    score: Float32[np.ndarray, "row col"], change: Bool[np.ndarray, "row col"], grid: Grid
) -> Any:
    """Score and change map as a Dataset, whose coordinates are the centers of pixels.

    Args:
        score: NaN where not valid.
        change: True = change.
        grid: Where the pixels lie.

    Raises:
        ImportError: xarray is not installed.
    """
    import xarray  # noqa: PLC0415  # optional: whoever asks for it has it

    transform, coordinates = grid.transform, dict[str, Any]()
    if grid.georeferenced and transform.is_rectilinear:
        coordinates["x"] = transform.c + transform.a * (np.arange(grid.width) + 0.5)
        coordinates["y"] = transform.f + transform.e * (np.arange(grid.height) + 0.5)
    if grid.georeferenced:
        told = {"GeoTransform": " ".join(repr(float(value)) for value in transform.to_gdal())}
        if grid.crs is not None:
            wkt = grid.crs.to_wkt()
            told |= {"crs_wkt": wkt, "spatial_ref": wkt}
        coordinates["spatial_ref"] = ((), 0, told)
    layers = {"score": (("y", "x"), score), "change": (("y", "x"), change)}
    found = xarray.Dataset(layers, coords=coordinates)
    for name in layers:
        if grid.georeferenced:
            found[name].encoding["grid_mapping"] = "spatial_ref"
    return found
