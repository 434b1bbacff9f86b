"""Outlines of change objects, and what is known of each, as a table."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias

import geopandas as gpd
import numpy as np
import pyproj
import shapely
from affine import Affine
from jaxtyping import Float64, Int32, Int64, Shaped
from shapely.geometry import Polygon, shape
from shapely.geometry.base import BaseGeometry

from metriccd.decision import BLOCK, Connectivity, Objects, Read, find_objects, log_odds
from metriccd.gis import DIRECTION_LABELS
from metriccd.raster import Grid, Window, trace_outlines
from metriccd.result.rasters import NAMES, VALUES, ReadKinds

# A table of change objects.
Polygons: TypeAlias = gpd.GeoDataFrame


def scene_polygons(
    read: Read,
    grid: Grid,
    *,
    threshold: float = 0.5,
    connectivity: Connectivity = 4,
    kinds: ReadKinds | None = None,
    clusters: ReadKinds | None = None,
    directions: ReadKinds | None = None,
    others: Mapping[str, ReadKinds] = MappingProxyType({}),
    size: int = BLOCK,
) -> gpd.GeoDataFrame:
    """One polygon for each change object of a scene read by blocks, largest first.

    Args:
        read: Change map and score of a window.
        grid: Where the pixels lie.
        threshold: On the score; `strength` counts from it.
        connectivity: Of objects; those of 8 may be multipolygons whose parts meet in corners.
        kinds: Kind of every pixel of a window.
        clusters: Cluster of every pixel of a window.
        directions: Which way every pixel of a window changed.
        others: More classes of every pixel of a window, by the name of their column.
        size: Side of the blocks; the result does not depend on it.

    Returns:
        Columns `id` (from 1), `area_m2` (on the ellipsoid; NaN where the CRS tells no areas),
        `perimeter_m` (of the outline along pixel edges, holes included; likewise), `pixels`,
        `score_mean`, `score_max`, `strength` (mean of ln(distance / threshold); of a score s that
        is mean ln(s / (1 − s)) less that of the threshold), `compactness` (4π · area / perimeter²,
        in pixels: π/4 of a square and of a large disk), the most frequent `kind`, `cluster`,
        `direction` and others where they are known, and the outline along pixel edges, in the
        grid's CRS; without georeference x is the column and y minus the row.
    """
    pieces = _Pieces()
    votes = {
        name: Votes(read=known)
        for name, known in (
            *(("kind", kinds), ("cluster", clusters), ("direction", directions)),
            *others.items(),
        )
        if known is not None
    }

    def visit(window: Window, labels: Int32[np.ndarray, "row col"]) -> None:
        pieces.add(window, labels)
        for each in votes.values():
            each.add(window, labels)

    objects = find_objects(read, grid, visit=visit, connectivity=connectivity, size=size)
    outlines = _array(pieces.dissolved(objects))
    order = np.argsort(-objects.pixels, kind="stable")
    count = np.maximum(objects.pixels, 1)
    edge = log_odds(np.array([threshold], np.float32))[0]
    around = shapely.length(outlines)
    shapes = _placed(outlines, grid.drawn.transform)
    columns = {
        "area_m2": objects.area,
        "perimeter_m": perimeters(shapes, grid),
        "pixels": objects.pixels,
        "score_mean": objects.total / count,
        "score_max": objects.highest,
        "strength": objects.log_odds / count - edge,
        "compactness": 4 * np.pi * objects.pixels / np.maximum(around, 1) ** 2,
    }
    columns |= {name: each.winners(objects) for name, each in votes.items()}
    for name, words in (("kind", NAMES), ("direction", DIRECTION_LABELS)):
        if name in columns:
            columns[name] = np.array([words[value] for value in columns[name].tolist()], object)
    return gpd.GeoDataFrame(
        {"id": np.arange(1, len(order) + 1)}
        | {name: values[order] for name, values in columns.items()},
        geometry=shapes[order],
        crs=None if grid.crs is None else grid.crs.to_wkt(),
    )


def perimeters(shapes: Shaped[np.ndarray, " object"], grid: Grid) -> Float64[np.ndarray, " object"]:
    """Lengths of outlines in meters; geodesic where areas are ellipsoidal, NaN where unknown."""
    if grid.crs is None or not grid.has_areas:
        return np.full(len(shapes), np.nan)
    crs = pyproj.CRS.from_user_input(grid.crs)
    base = crs.geodetic_crs
    if base is None or not (grid.crs.is_geographic or grid.crs.is_projected):
        meters = crs.axis_info[0].unit_conversion_factor
        lengths: Float64[np.ndarray, " object"] = shapely.length(shapes) * meters
        return lengths
    geod = crs.get_geod() or pyproj.Geod(ellps="WGS84")
    carry = pyproj.Transformer.from_crs(crs, base, always_xy=True)
    unit = np.degrees(base.axis_info[0].unit_conversion_factor) if base.axis_info else 1.0

    def degrees(xy: Float64[np.ndarray, "point 2"]) -> Float64[np.ndarray, "point 2"]:
        return unit * np.stack(carry.transform(xy[:, 0], xy[:, 1]), axis=1)

    lines = shapely.transform(shapely.boundary(shapes), degrees)
    return np.array([geod.geometry_length(line) for line in lines], np.float64)


def simplified(polygons: gpd.GeoDataFrame, tolerance: float) -> gpd.GeoDataFrame:
    """The same objects with fewer corners.

    All outlines are simplified together, so that none crosses itself or another one and no object
    vanishes (Visvalingam & Whyatt 1993, as GEOS has it for coverages). The columns stay those of
    the pixels.

    Args:
        polygons: See `scene_polygons`.
        tolerance: How far a corner may lie from the line that leaves it out, roughly, in units of
            the coordinates; 0 leaves all corners.
    """
    if tolerance <= 0 or polygons.empty:
        return polygons
    # A region that touches itself at a corner is traced through it: not valid, strictly.
    whole = [each if each.is_valid else shapely.make_valid(each) for each in polygons.geometry]
    return polygons.set_geometry(
        gpd.GeoSeries(shapely.coverage_simplify(_array(whole), tolerance), crs=polygons.crs)
    )


@dataclass(frozen=True, kw_only=True)
class Votes:
    """How many pixels of each class the regions of each block have.

    Attributes:
        read: Class of every pixel of a window.
    """

    read: ReadKinds
    _blocks: list[Int64[np.ndarray, "_region kind"]] = field(default_factory=list, init=False)

    def add(self, window: Window, labels: Int32[np.ndarray, "row col"]) -> None:
        """Counts a block; 0 is no region."""
        inside = labels > 0
        kinds = np.minimum(self.read(window)[inside], VALUES - 1).astype(np.int64)
        regions = int(labels.max(initial=0))
        counts = np.bincount(
            (labels[inside].astype(np.int64) - 1) * VALUES + kinds, minlength=regions * VALUES
        )
        self._blocks.append(counts.reshape(regions, VALUES))

    def winners(self, objects: Objects) -> Int64[np.ndarray, " object"]:
        """The most frequent class of each object; of equal ones, the first."""
        counts = np.zeros((len(objects.pixels), VALUES), np.int64)
        for block, members in zip(self._blocks, objects.members, strict=True):
            np.add.at(counts, members, block)
        winners: Int64[np.ndarray, " object"] = counts.argmax(axis=1)
        return winners


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

    def dissolved(self, objects: Objects) -> Sequence[BaseGeometry]:
        """One outline an object."""
        pieces: defaultdict[int, list[Polygon]] = defaultdict(list)
        for (shapes, labels), members in zip(self._blocks, objects.members, strict=True):
            for polygon, label in zip(shapes, labels, strict=True):
                pieces[int(members[label])].append(polygon)
        return [_union(pieces[number]) for number in range(len(objects.pixels))]


def _union(pieces: Sequence[Polygon]) -> BaseGeometry:
    """Pieces that share edges as one polygon, without the corners that the edges left behind."""
    if len(pieces) == 1:
        return pieces[0]
    # Regions that touch themselves at a corner are traced through it: not valid, strictly.
    union = shapely.union_all(
        [piece if piece.is_valid else shapely.make_valid(piece) for piece in pieces]
    )
    return shapely.simplify(union, 0)


def _array(shapes: Sequence[BaseGeometry]) -> Shaped[np.ndarray, " object"]:
    array = np.empty(len(shapes), dtype=object)
    array[:] = shapes
    return array


def _placed(
    shapes: Shaped[np.ndarray, " object"], transform: Affine
) -> Shaped[np.ndarray, " object"]:
    """Polygons in pixels as polygons in the coordinates of a CRS."""
    a, b, c, d, e, f = transform[:6]

    def place(xy: Float64[np.ndarray, "point 2"]) -> Float64[np.ndarray, "point 2"]:
        x, y = xy.T
        return np.stack([a * x + b * y + c, d * x + e * y + f], axis=1)

    placed: Shaped[np.ndarray, " object"] = shapely.transform(shapes, place)
    return placed
