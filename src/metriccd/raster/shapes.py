"""Polygons: of vector files, read by windows like a raster, and outlines of labeled regions."""

from __future__ import annotations

import os
import sqlite3
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pyproj
import shapely
from affine import Affine
from jaxtyping import Bool, Float32, Int32
from pyogrio.errors import DataLayerError, DataSourceError
from pyproj.exceptions import ProjError
from rasterio.crs import CRS
from rasterio.errors import CRSError
from rasterio.features import rasterize
from rasterio.features import shapes as traced
from shapely.errors import ShapelyError
from shapely.geometry import shape

from metriccd.errors import DataError, GridError
from metriccd.raster.grid import Grid, Window
from metriccd.raster.paths import gdal_path, redacted
from metriccd.trust import admit

VECTOR_SUFFIXES = {".gpkg", ".geojson", ".json", ".shp", ".fgb", ".kml", ".gml", ".gpx"}
# What broken files make the libraries raise; texts that are no UTF-8 are a `ValueError`.
UNREADABLE = (
    *(DataSourceError, DataLayerError, ShapelyError, ProjError, CRSError),
    # IndexError: no layers.
    *(ValueError, IndexError),
)
# Steps of SQLite, a second or two, within which all rows of a view must be there.
STEPS, ROUND = 20_000_000, 100_000
# Coordinates of any CRS are smaller.
FAR = 1e15
# Letters of a library's message that are told.
SHOWN = 200


@dataclass(frozen=True, kw_only=True)
class Shapes:
    """Polygons whose inside can be read by windows of any grid.

    Attributes:
        label: What the user called them.
        geometries: The polygons, in `crs`.
        crs: Their CRS; None where the file names none: then they are in the grid's.
        files: The file that holds them, if one does.
    """

    label: str
    geometries: np.ndarray = field(repr=False, compare=False)
    crs: CRS | None
    files: tuple[Path, ...] = ()

    @property
    def parts(self) -> tuple[tuple[Path, ...], tuple[str, ...]]:
        """As of a raster: the files, and nothing elsewhere: polygons are held in memory."""
        return self.files, ()

    def on(self, grid: Grid) -> np.ndarray:
        """The polygons in the CRS of a grid.

        Raises:
            GridError: They have a CRS and the grid has none, or no way leads from one to the other.
        """
        if self.crs is None or self.crs == grid.crs:
            return self.geometries
        if grid.crs is None:
            raise GridError(
                f"polygons with a CRS need images with one: {self.label} has "
                f"{self.crs.to_string()}, t1 has none; assign it with gdal_edit.py -a_srs"
            )
        with readable(self.label):
            way = pyproj.Transformer.from_crs(self.crs, grid.crs, always_xy=True)
            moved = shapely.transform(
                self.geometries, lambda xy: np.column_stack(way.transform(xy[:, 0], xy[:, 1]))
            )
        if not np.isfinite(shapely.bounds(moved)).all():
            raise GridError(
                f"polygons must lie where the images' CRS is defined: some of {self.label} do not"
            )
        return np.asarray(moved)

    def wkb(self) -> bytes:
        """All polygons as bytes."""
        return b"".join(shapely.to_wkb(self.geometries).tolist())

    def window_of(self, grid: Grid) -> Window | None:
        """The smallest window of a grid that holds all polygons; None where they lie outside."""
        left, bottom, right, top = shapely.total_bounds(self.on(grid))
        return grid.window_of((left, bottom, right, top))

    @contextmanager
    def reader(
        self, grid: Grid, *, categorical: bool = True, cubic: bool = False
    ) -> Iterator[
        Callable[[Window], tuple[Float32[np.ndarray, "1 row col"], Bool[np.ndarray, "row col"]]]
    ]:
        """Yields a function from a window to 1 inside and 0 outside, known everywhere.

        A pixel is inside where its center is.

        Args:
            grid: Whose windows are read.
            categorical: As of `Raster.reader`; polygons have no other way.
            cubic: Likewise.
        """
        del categorical, cubic
        tree = shapely.STRtree(self.on(grid))

        def read(
            window: Window,
        ) -> tuple[Float32[np.ndarray, "1 row col"], Bool[np.ndarray, "row col"]]:
            part = grid.crop(window)
            xs, ys = part.edge(2)
            near = tree.query(shapely.box(min(xs), min(ys), max(xs), max(ys)))
            inside = np.zeros(part.shape, np.uint8)
            if len(near):
                rasterize(list(tree.geometries[near]), out=inside, transform=part.transform)
            return inside[np.newaxis].astype(np.float32), np.ones(part.shape, np.bool_)

        yield read


def is_vector(source: Any) -> bool:
    """True for vector files, by their ending, and for what has a `__geo_interface__`."""
    if isinstance(source, Shapes) or hasattr(source, "__geo_interface__"):
        return True
    if not isinstance(source, str | os.PathLike):
        return False
    return Path(source).suffix.lower() in VECTOR_SUFFIXES


def open_shapes(source: Any) -> Shapes:
    """Opens the polygons of a GeoPackage, GeoJSON, Shapefile …, of all its layers.

    Args:
        source: A path, or a GeoDataFrame or geometry, that is what has a `__geo_interface__`.

    Raises:
        DataError: Not found, not a vector file, or without polygons.
    """
    if isinstance(source, Shapes):
        return source
    if hasattr(source, "__geo_interface__"):
        return _of_interface(source)
    path = os.fspath(source)
    label = redacted(path)
    with readable(label, path):
        parts = [pyogrio.raw.read(path, layer=name, columns=[]) for name in layers_in(path)]
        found = {crs for meta, *_ in parts if (crs := meta["crs"])}
        raw = [shapely.from_wkb(part[2]) for part in parts]
        crs = CRS.from_user_input(min(found)) if found else None
    if len(found) > 1:
        raise DataError(
            f"polygons must have one CRS: the layers of {path} have {len(found)}; give one of them"
        )
    with readable(label):
        geometries = _polygons(np.concatenate([np.empty(0, object), *raw]), label)
    return Shapes(
        label=label,
        geometries=geometries,
        crs=crs,
        files=(Path(path),) if Path(path).is_file() else (),
    )


@contextmanager
def readable(label: str, path: str | None = None) -> Iterator[None]:
    """Turns what a broken file of polygons makes libraries raise into one line.

    Args:
        label: What the user called the file.
        path: The file, where it is about to be opened.

    Raises:
        DataError: It is none, cannot be read, or has a view without an end.
    """
    if path is not None:
        if "://" not in path and not Path(path).exists():
            raise DataError(f"the polygons must exist: {label} was not found; check the path")
        admit(gdal_path(path))
        _require_ends(Path(path), label)
    try:
        with warnings.catch_warnings():
            # Each of GDAL's own would take three lines; what they tell of is read or refused.
            warnings.simplefilter("ignore", RuntimeWarning)
            yield
    except UNREADABLE as error:
        reason = redacted(" ".join(str(error).split()))[:SHOWN]
        raise DataError(
            f"polygons must be a vector file GDAL reads: {label}: {reason}; check the file, or "
            "write it again with ogr2ogr"
        ) from None


def _require_ends(path: Path, label: str) -> None:
    """Refuses an SQLite file with a view whose rows never end, which GDAL would read for ever.

    Raises:
        DataError: It has one.
    """
    with suppress(sqlite3.DatabaseError, OSError):
        address = f"{path.resolve(strict=True).as_uri()}?mode=ro&immutable=1"
        with closing(sqlite3.connect(address, uri=True)) as table:
            views = table.execute("SELECT name FROM sqlite_master WHERE type = 'view'").fetchall()
            rounds = iter(range(STEPS // ROUND))
            table.set_progress_handler(lambda: next(rounds, None) is None, ROUND)
            for (view,) in views:
                quoted = str(view).replace('"', '""')
                try:
                    for _ in table.execute(f'SELECT * FROM "{quoted}"'):
                        pass
                except sqlite3.OperationalError as error:
                    # Functions of GDAL's are unknown here: whether it ends cannot be told.
                    raise DataError(
                        f"polygons must be in tables, or in views of an end: {view} in {label}: "
                        f"{error}; write them as a table with ogr2ogr"
                    ) from None


def layers_in(path: str) -> list[str]:
    """Names of the layers with geometries."""
    return [name for name, geometry in pyogrio.list_layers(path) if geometry is not None]


def _of_interface(source: Any) -> Shapes:
    """Of a GeoDataFrame, GeoSeries or geometry."""
    content = source.__geo_interface__
    parts = [part.get("geometry") for part in content.get("features", ())] or [content]
    crs = getattr(source, "crs", None)
    return Shapes(
        label="polygons",
        geometries=_polygons(np.array([shape(part) for part in parts if part]), "polygons"),
        crs=None if crs is None else CRS.from_user_input(crs),
    )


def _polygons(geometries: np.ndarray, label: str) -> np.ndarray:
    """The polygons among geometries, valid ones.

    Raises:
        DataError: There are none, or they lie nowhere.
    """
    known = ~shapely.is_missing(geometries)
    parts = shapely.get_parts(shapely.get_parts(shapely.make_valid(geometries[known])))
    kept = parts[(shapely.get_dimensions(parts) == 2) & ~shapely.is_empty(parts)]
    if not len(kept):
        raise DataError(f"a vector mask or area must hold polygons: {label} has none")
    require_places(kept, label)
    return np.asarray(shapely.force_2d(kept))


def require_places(polygons: np.ndarray, label: str) -> None:
    """Refuses polygons with coordinates that no CRS has.

    Raises:
        DataError: Some have such.
    """
    known = polygons[~(shapely.is_missing(polygons) | shapely.is_empty(polygons))]
    if not (np.abs(shapely.bounds(known)) < FAR).all():
        raise DataError(
            f"polygons must have coordinates of a CRS: some of {label} have infinite ones, or "
            "none; correct them"
        )


def trace_outlines(
    labels: Int32[np.ndarray, "row col"], transform: Affine
) -> list[tuple[dict[str, Any], int]]:
    """Traces every region of equal label along its pixel edges.

    Args:
        labels: Region of each pixel; 0 is background.
        transform: From (col, row) of a pixel corner to the outlines' coordinates.

    Returns:
        (GeoJSON-like polygon, label) for each 4-connected region.
    """
    found = traced(labels, mask=labels > 0, connectivity=4, transform=transform)
    return [(geometry, int(label)) for geometry, label in found]


def burn(shapes: Sequence[tuple[Any, int]], grid: Grid) -> Int32[np.ndarray, "row col"]:
    """Numbers of the shapes in whose inside pixel centers lie; 0 elsewhere.

    Args:
        shapes: Geometry in the grid's coordinates, and its number.
        grid: Where the pixels lie.
    """
    labels = np.zeros(grid.shape, np.int32)
    if shapes:
        rasterize(shapes, out=labels, transform=grid.transform)
    return labels
