"""Outlines of change objects, as a table and as a GeoPackage."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import geopandas as gpd
import numpy as np
import shapely
from affine import Affine
from jaxtyping import Float64, Int32, Shaped
from pyproj.enums import WktVersion
from pyproj.exceptions import CRSError
from shapely.geometry import Polygon, shape

from metriccd.decision import BLOCK, Objects, Read, find_objects
from metriccd.raster import Grid, Window, trace_outlines
from metriccd.result.kinds import KindVotes, ReadKinds

# A table of change objects.
Polygons: TypeAlias = gpd.GeoDataFrame
COLUMNS = ("id", "area_m2", "score_mean", "score_max")


def scene_polygons(
    read: Read, grid: Grid, *, kinds: ReadKinds | None = None, size: int = BLOCK
) -> gpd.GeoDataFrame:
    """One polygon for each change object of a scene read by blocks, largest first.

    Args:
        read: Change map and score of a window.
        grid: Where the pixels lie.
        kinds: Kind of every pixel of a window.
        size: Side of the blocks; the result does not depend on it.

    Returns:
        Columns `id` (from 1), `area_m2` (on the ellipsoid; NaN where the CRS tells no areas),
        `score_mean`, `score_max`, with `kinds` the most frequent `kind`, and the outline along
        pixel edges, in the grid's CRS; without georeference x is the column and y minus the row.
    """
    pieces = _Pieces()
    votes = None if kinds is None else KindVotes(read=kinds)

    def visit(window: Window, labels: Int32[np.ndarray, "row col"]) -> None:
        pieces.add(window, labels)
        if votes is not None:
            votes.add(window, labels)

    objects = find_objects(read, grid, visit=visit, size=size)
    # Programs draw a raster without georeference from (0, 0) down, y being minus the row.
    transform = grid.transform if grid.georeferenced else Affine.scale(1, -1)
    shapes = _places(pieces.dissolved(objects), transform)
    order = np.argsort(-objects.pixels, kind="stable")
    return gpd.GeoDataFrame(
        {
            "id": np.arange(1, len(order) + 1),
            "area_m2": objects.area[order],
            "score_mean": (objects.total / np.maximum(objects.pixels, 1))[order],
            "score_max": objects.highest[order],
            **({} if votes is None else {"kind": np.array(votes.winners(objects), object)[order]}),
        },
        geometry=shapes[order],
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


class _Pieces:
    """Outlines of the regions of each block.

    They are in pixels of the scene: whole numbers, so that pieces meet exactly.
    """

    def __init__(self) -> None:
        self._blocks: list[tuple[list[Polygon], list[int]]] = []

    def add(self, window: Window, labels: Int32[np.ndarray, "row col"]) -> None:
        """Traces the regions of a block."""
        outlines = trace_outlines(labels, Affine.translation(window.col, window.row))
        self._blocks.append(
            ([shape(geometry) for geometry, _ in outlines], [label - 1 for _, label in outlines])
        )

    def dissolved(self, objects: Objects) -> Sequence[Polygon]:
        """One outline an object."""
        pieces: defaultdict[int, list[Polygon]] = defaultdict(list)
        for (shapes, labels), members in zip(self._blocks, objects.members, strict=True):
            for polygon, label in zip(shapes, labels, strict=True):
                pieces[int(members[label])].append(polygon)
        return [_union(pieces[number]) for number in range(len(objects.pixels))]


def _union(pieces: Sequence[Polygon]) -> Polygon:
    """Pieces that share edges as one polygon, without the corners that the edges left behind."""
    if len(pieces) == 1:
        return pieces[0]
    # Regions that touch themselves at a corner are traced through it: not valid, strictly.
    union = shapely.union_all(
        [piece if piece.is_valid else shapely.make_valid(piece) for piece in pieces]
    )
    return shapely.simplify(union, 0)


def _places(shapes: Sequence[Polygon], transform: Affine) -> Shaped[np.ndarray, " object"]:
    """Polygons in pixels as polygons in the coordinates of a CRS."""
    array = np.empty(len(shapes), dtype=object)
    array[:] = shapes
    a, b, c, d, e, f = transform[:6]

    def place(xy: Float64[np.ndarray, "point 2"]) -> Float64[np.ndarray, "point 2"]:
        x, y = xy.T
        return np.stack([a * x + b * y + c, d * x + e * y + f], axis=1)

    placed: Shaped[np.ndarray, " object"] = shapely.transform(array, place)
    return placed
