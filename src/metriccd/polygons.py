"""Change objects: 4-connected regions of a change map, their size, score and outline."""

from __future__ import annotations

import warnings
from pathlib import Path

import geopandas as gpd
import numpy as np
from jaxtyping import Bool, Float, Int32
from pyproj.enums import WktVersion
from pyproj.exceptions import CRSError
from scipy import ndimage
from shapely.geometry import shape

from metriccd.errors import GridError
from metriccd.raster import Grid, outlines

COLUMNS = ("id", "area_m2", "score_mean", "score_max")


def remove_small(
    change: Bool[np.ndarray, "row col"], grid: Grid, min_area: float
) -> Bool[np.ndarray, "row col"]:
    """The change map without objects smaller than `min_area` square meters.

    Raises:
        GridError: The grid has no CRS, so that areas are unknown.
    """
    areas = grid.pixel_areas()
    if areas is None:
        raise GridError(
            "--min-area needs a CRS to know areas: these images have none; leave it out"
        )
    labels = _label(change)
    sizes = _sum(np.broadcast_to(areas[:, None], change.shape), labels)
    kept: Bool[np.ndarray, "row col"] = np.concatenate([[False], sizes >= min_area])[labels]
    return kept


def change_polygons(
    change: Bool[np.ndarray, "row col"], score: Float[np.ndarray, "row col"], grid: Grid
) -> gpd.GeoDataFrame:
    """One polygon for each change object, largest first.

    Returns:
        Columns `id` (from 1), `area_m2` (ellipsoidal where the CRS is geographic; NaN without
        a CRS), `score_mean`, `score_max` and the outline along pixel edges, in the grid's CRS.
    """
    labels = _label(change)
    count = int(labels.max(initial=0))
    areas = grid.pixel_areas()
    pixels = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    area = np.full(count, np.nan)
    if areas is not None:
        area = _sum(np.broadcast_to(areas[:, None], change.shape), labels)
    mean = _sum(np.nan_to_num(score), labels) / np.maximum(pixels, 1)
    highest = ndimage.maximum(score, labels, np.arange(1, count + 1)) if count else np.empty(0)
    found = sorted(outlines(labels, grid), key=lambda pair: (-pixels[pair[1] - 1], pair[1]))
    order = np.array([label - 1 for _, label in found], dtype=np.intp)
    return gpd.GeoDataFrame(
        {
            "id": np.arange(1, len(found) + 1),
            "area_m2": area[order],
            "score_mean": mean[order],
            "score_max": np.asarray(highest, dtype=np.float64)[order],
        },
        geometry=[shape(geometry) for geometry, _ in found],
        crs=None if grid.crs is None else grid.crs.to_wkt(),
    )


def write_polygons(polygons: gpd.GeoDataFrame, path: Path) -> None:
    """Writes layer `change` of a GeoPackage, also where it is empty or has no CRS.

    A CRS that the format's WKT cannot express, such as a rotated pole, is left out.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*'crs' was not provided.*")
        _storable(polygons).to_file(
            path, layer="change", driver="GPKG", engine="pyogrio", geometry_type="Polygon"
        )


def _storable(polygons: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """The polygons, without their CRS where the format cannot hold it."""
    if polygons.crs is None or polygons.crs.to_epsg():
        return polygons
    try:
        with warnings.catch_warnings(action="ignore"):
            polygons.crs.to_wkt(WktVersion.WKT1_GDAL)
    except CRSError:
        return polygons.set_crs(None, allow_override=True)
    return polygons


def _label(change: Bool[np.ndarray, "row col"]) -> Int32[np.ndarray, "row col"]:
    labels, _ = ndimage.label(change, output=np.int32)
    return np.asarray(labels)


def _sum(
    values: Float[np.ndarray, "row col"], labels: Int32[np.ndarray, "row col"]
) -> Float[np.ndarray, " region"]:
    """Sum of `values` over each region, background left out."""
    return np.bincount(labels.ravel(), weights=values.ravel())[1:]
