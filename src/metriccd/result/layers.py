"""Layers of a result for a GIS: polygons in every format, zones, styles, and the project."""

from __future__ import annotations

import math
import re
import sqlite3
import warnings
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import geopandas as gpd
from pyproj.enums import WktVersion
from pyproj.exceptions import CRSError

from metriccd import gis
from metriccd.decision import Read
from metriccd.errors import DataError, choices
from metriccd.raster import Grid, readable
from metriccd.result.polygons import Polygons, simplified
from metriccd.result.rasters import VIEWS, RasterFile
from metriccd.result.zones import changed_in, missed, read_zones

# Format → file. The name of the GeoPackage is that of its layer.
FILES = {
    "gpkg": "change.gpkg",
    "geojson": "polygons.geojson",
    "parquet": "polygons.parquet",
    "fgb": "polygons.fgb",
}
DRIVERS = {"geojson": "GeoJSON", "fgb": "FlatGeobuf"}
# What GDAL 3.6 of Debian 12 reads without a warning; newer GDAL writes 1.4 by default.
GPKG_OPTIONS = {"VERSION": "1.2"}
NO_PYARROW = (
    "GeoParquet needs pyarrow, which is not installed: pip install 'metriccd[parquet]', "
    "or leave parquet out of --vector"
)
TOLERANCE = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*(px|m)?", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Products:
    """What is written of the polygons.

    Attributes:
        vector: Keys of `FILES`; the GeoPackage is always among them.
        simplify: How far outlines may move.
        unit: Of `simplify`: "px" or "m".
        zones: File of polygons whose changed areas are told, or None.
    """

    vector: tuple[str, ...] = ("gpkg",)
    simplify: float = 0.0
    unit: str = "px"
    zones: str | None = None

    @classmethod
    def of(
        cls,
        *,
        vector: Sequence[str] = ("gpkg",),
        simplify: str | float = 0.0,
        zones: str | Path | None = None,
    ) -> Products:
        """Reads what people write.

        Args:
            vector: Formats.
            simplify: "2px", "5m", or a number of pixels.
            zones: A file.

        Raises:
            ValueError: There is no such format, or `simplify` is no length.
        """
        unknown = [name for name in vector if name not in FILES]
        if unknown:
            raise ValueError(f"no format {unknown[0]!r}: choose from {choices(unknown[0], FILES)}")
        match = TOLERANCE.fullmatch(str(simplify).strip().lower())
        if match is None or not math.isfinite(float(match[1])):
            raise ValueError(f"simplify is a length such as 1.5px or 10m: got {simplify!r}")
        return cls(
            vector=tuple(dict.fromkeys(("gpkg", *vector))),
            simplify=float(match[1]),
            unit=match[2] or "px",
            # Wherever the next command runs.
            zones=None if zones is None else str(Path(zones).absolute()),
        )

    def with_asked(
        self,
        *,
        vector: Sequence[str] | None = None,
        simplify: str | float | None = None,
        zones: str | Path | None = None,
    ) -> Products:
        """The same but for what is given.

        Raises:
            ValueError: There is no such format, or `simplify` is no length.
        """
        return Products.of(
            vector=self.vector if vector is None else vector,
            simplify=f"{self.simplify}{self.unit}" if simplify is None else simplify,
            zones=self.zones if zones is None else zones,
        )

    def check(self, grid: Grid) -> None:
        """Refuses what cannot be written, before there is anything to write.

        Raises:
            DataError: Zones cannot be read, meters are unknown, or pyarrow is not installed.
        """
        self.tolerance(grid)
        if self.zones is not None:
            read_zones(self.zones, grid)
        if "parquet" in self.vector and find_spec("pyarrow") is None:
            raise DataError(NO_PYARROW)

    def warnings(self, grid: Grid) -> list[str]:
        """What is to be said of what is asked for, a line each."""
        return [] if self.zones is None else missed(self.zones, read_zones(self.zones, grid), grid)

    def tolerance(self, grid: Grid) -> float:
        """`simplify` in units of the grid's coordinates.

        Raises:
            DataError: Meters are asked for and unknown.
        """
        pixel = math.sqrt(abs(grid.transform.determinant))
        if self.unit == "px" or self.simplify == 0:
            return self.simplify * pixel
        area = grid.pixel_area
        if not area:
            raise DataError(
                f"--simplify in meters needs a CRS: got {self.simplify:g}m, and these images have "
                "none; give pixels, such as 1.5px"
            )
        return self.simplify * pixel / math.sqrt(area)

    def record(self) -> dict[str, Any]:
        """What JSON can hold of it."""
        return asdict(self)


def write_vectors(
    polygons: Polygons, folder: Path, read: Read, grid: Grid, products: Products
) -> None:
    """Writes the polygons in every format that is asked for, and the table of the zones.

    Args:
        polygons: The change objects.
        folder: Where to.
        read: Change map and score of a window.
        grid: Where the pixels lie.
        products: What is asked for.

    Raises:
        DataError: Zones cannot be read, or a format or a unit cannot be had.
    """
    zones = None if products.zones is None else read_zones(products.zones, grid)
    outlined = simplified(polygons, products.tolerance(grid))
    for name in products.vector:
        write_polygons(outlined, folder / FILES[name])
    package = folder / FILES["gpkg"]
    styles = [("change", gis.polygons_qml(), gis.polygons_sld())]
    if zones is not None:
        table = changed_in(zones, read, grid)
        table.drop(columns=table.geometry.name).to_csv(folder / "zones.csv", index=False)
        write_polygons(table, package, layer="zones")
        sld = gis.polygons_sld("zones", "changed share of zones")
        styles.append(("zones", gis.zones_qml(), sld))
    add_styles(package, styles)


def write_styles(
    folder: Path, name: str, grid: Grid, products: Products, files: Mapping[str, RasterFile]
) -> None:
    """Writes the styles beside the layers, and the QGIS project of all of them.

    Args:
        folder: Where to.
        name: Title of the project.
        grid: The result's.
        products: What was written of the polygons.
        files: The rasters.
    """
    rasters = {
        Path(file).stem: (each.categories, each.layer.colors or {})
        for file, each in files.items()
        if each.categories
    }
    palettes = {stem: gis.classes_qml(*classes) for stem, classes in rasters.items()}
    texts = {
        "score.qml": gis.score_qml(),
        "score.sld": gis.score_sld(),
        "polygons.qml": gis.polygons_qml(),
        "polygons.sld": gis.polygons_sld(),
        **{f"{stem}.qml": text for stem, text in palettes.items()},
        **{f"{stem}.sld": gis.classes_sld(stem, *classes) for stem, classes in rasters.items()},
    }
    for file, text in texts.items():
        (folder / file).write_text(text, encoding="utf-8")
    layers = _layers(products, palettes)
    (folder / "project.qgz").write_bytes(gis.project(name, grid, layers))


def _layers(products: Products, palettes: Mapping[str, str]) -> list[gis.ProjectLayer]:
    """The layers of the project, from top to bottom."""
    package = FILES["gpkg"]
    layers = [
        gis.ProjectLayer(
            source=f"{package}|layername=change",
            name="change objects",
            group="Change",
            qml=gis.polygons_qml(),
            kind="vector",
        )
    ]
    if products.zones is not None:
        layers.append(
            gis.ProjectLayer(
                source=f"{package}|layername=zones",
                name="zones: changed share",
                group="Change",
                qml=gis.zones_qml(),
                kind="vector",
            )
        )
    layers += [
        gis.ProjectLayer(
            source=f"{stem}.tif",
            name=gis.TITLES[stem],
            group="Change",
            qml=qml,
            kind="raster",
            shown=False,
        )
        for stem, qml in {**palettes, "score": gis.score_qml()}.items()
    ]
    dates = zip(reversed(VIEWS), ("after", "before"), strict=True)
    layers += [
        gis.ProjectLayer(source=file, name=date, group="Images", qml=gis.image_qml(), kind="raster")
        for file, date in dates
    ]
    return layers


def write_polygons(polygons: gpd.GeoDataFrame, path: Path, *, layer: str = "change") -> None:
    """Writes a layer in the format that the name ends with, also where it is empty or has no CRS.

    A CRS that the format's WKT cannot express, such as a rotated pole, is left out. GeoJSON is in
    longitude and latitude (RFC 7946) where the CRS is known.

    Raises:
        DataError: GeoParquet without pyarrow.
    """
    kind = path.suffix[1:]
    if kind == "parquet":
        _write_parquet(polygons, path)
        return
    multi = (polygons.geom_type == "MultiPolygon").any()
    stored = _storable(polygons)
    if kind == "geojson" and stored.crs is not None:
        stored = stored.to_crs(4326)
    options: dict[str, Any] = {"driver": DRIVERS.get(kind, "GPKG"), "layer": layer}
    if kind == "gpkg":
        options |= GPKG_OPTIONS
    if kind == "geojson":
        options["RFC7946"] = "YES" if stored.crs is not None else "NO"
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*'crs' was not provided.*")
        stored.to_file(
            path,
            engine="pyogrio",
            geometry_type="MultiPolygon" if multi else "Polygon",
            promote_to_multi=bool(multi),
            **options,
        )


def read_polygons(folder: Path) -> Polygons:
    """The change objects of a result, as they were written.

    Raises:
        DataError: They cannot be read.
    """
    path = folder / FILES["gpkg"]
    with readable(path.name, str(path)):
        return gpd.read_file(path, layer=path.stem, engine="pyogrio")


def add_styles(path: Path, styles: Sequence[tuple[str, str, str]]) -> None:
    """Puts styles into a GeoPackage, where QGIS finds them for the layers.

    Args:
        path: The GeoPackage.
        styles: Layer, QML, SLD.
    """
    with closing(sqlite3.connect(path)) as base, base:
        base.execute(
            "CREATE TABLE layer_styles (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, "
            "f_table_catalog TEXT, f_table_schema TEXT, f_table_name TEXT, "
            "f_geometry_column TEXT, styleName TEXT, styleQML TEXT, styleSLD TEXT, "
            "useAsDefault BOOLEAN, description TEXT, owner TEXT, ui TEXT, "
            "update_time DATETIME DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')))"
        )
        base.execute(
            "INSERT INTO gpkg_contents (table_name, data_type, identifier, description) "
            "VALUES ('layer_styles', 'attributes', 'layer_styles', 'styles of QGIS')"
        )
        base.executemany(
            "INSERT INTO layer_styles (f_table_catalog, f_table_schema, f_table_name, "
            "f_geometry_column, styleName, styleQML, styleSLD, useAsDefault, description, owner) "
            "VALUES ('', '', ?, 'geom', ?, ?, ?, 1, 'metriccd', '')",
            [(layer, layer, qml, sld) for layer, qml, sld in styles],
        )


def _write_parquet(polygons: gpd.GeoDataFrame, path: Path) -> None:
    try:
        polygons.to_parquet(path, index=False)
    except ImportError:
        raise DataError(NO_PYARROW) from None


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
