"""What GDAL and PROJ are told for the whole process."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path

import rasterio

# Off: what reads from other machines, from databases and from files that other files name, what
# runs programs, and old or rare readers that change detection needs none of.
OFF = (
    *("WMS", "WMTS", "WCS", "WFS", "CSW", "OAPIF", "OGCAPI", "HTTP", "DAAS", "EEDA", "EEDAI"),
    *("NGW", "PLMOSAIC", "PLSCENES", "STACIT", "STACTA", "AmigoCloud", "Carto", "Elasticsearch"),
    *("PostgreSQL", "PostGISRaster", "MySQL", "MSSQLSpatial", "OCI", "GeoRaster", "ODBC", "HANA"),
    *("MongoDBv3", "ADBC", "TileDB", "Rasterlite", "RASTERLITE2", "PGDUMP", "PGeo", "DB2ODBC"),
    *("GTI", "MRF", "KMLSUPEROVERLAY", "GDALG", "OGR_VRT", "DERIVED", "GNMDatabase", "GNMFile"),
    *("GMLAS", "GPSBabel"),
    *("PDF", "GeoRSS", "AVCBin", "AVCE00", "EDIGEO", "Interlis 1", "Interlis 2", "LVBAG", "ODS"),
    *("XLS", "XLSX", "REC", "SDTS", "SXF", "Selafin", "SUA", "TIGER", "UK .NTF", "VDV", "VFK"),
    *("AirSAR", "BLX", "CALS", "COASP", "COSAR", "CTG", "DIPEx", "DOQ1", "DOQ2", "ELAS", "ESAT"),
    *("FIT", "GFF", "GSC", "GXF", "HF2", "IRIS", "JDEM", "KRO", "L1B", "LOSLAS", "Leveller"),
    *("MAP", "MSGN", "NDF", "NGSGEOID", "NWT_GRC", "NWT_GRD", "PAux", "PRF", "R", "RIK", "SGI"),
    *("SNODAS", "SRP", "TGA", "Terragen", "XPM", "ZMap"),
)
# Servers that do not answer are given up, and so are those that send next to nothing; in seconds
# and bytes a second. What the user has set himself wins.
PATIENCE = {
    "GDAL_HTTP_CONNECTTIMEOUT": "10",
    "GDAL_HTTP_TIMEOUT": "300",
    "GDAL_HTTP_LOW_SPEED_TIME": "20",
    "GDAL_HTTP_LOW_SPEED_LIMIT": "100",
}
# Nothing that a file holds is run, or fetched because it says so; nothing it lacks is made up.
NEVER = {
    "GDAL_VRT_ENABLE_PYTHON": "NO",
    "GDAL_MEM_ENABLE_OPEN": "NO",
    "GML_DOWNLOAD_SCHEMA": "NO",
    # Of a raw file, such as ENVI's, that is shorter than its header tells the rest would be zero.
    "RAW_CHECK_FILE_SIZE": "YES",
    # The quick way to all of a PNG makes zeros, or what was in memory, of what is cut off it.
    "GDAL_PNG_WHOLE_IMAGE_OPTIM": "NO",
}
VARIABLES = ("PROJ_DATA", "PROJ_LIB")
# The oldest layout of the database (major, minor) that the PROJ of any rasterio we allow reads.
LAYOUT = (1, 2)


def without_strangers() -> tuple[str, ...]:
    """Forgets settings that lead to no database of PROJ, or to an old one; returns their names.

    PostGIS, QGIS and old environments of conda leave them behind. They are read when rasterio
    is imported, and again whenever a file is opened.
    """
    gone = []
    for name in VARIABLES:
        value = os.environ.get(name)
        if value is not None and not any(_usable(Path(each)) for each in value.split(os.pathsep)):
            del os.environ[name]
            gone.append(name)
    return tuple(gone)


def _usable(folder: Path) -> bool:
    database = folder / "proj.db"
    if not database.is_file():
        return False
    try:
        with closing(sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True)) as opened:
            rows = opened.execute(
                "SELECT key, value FROM metadata WHERE key LIKE 'DATABASE.LAYOUT.VERSION.%'"
            ).fetchall()
    except sqlite3.Error:
        return False
    found = {key.rsplit(".", 1)[1]: int(value) for key, value in rows}
    return (found.get("MAJOR", 0), found.get("MINOR", 0)) >= LAYOUT


@cache
def without_drivers() -> tuple[str, ...]:
    """Starts GDAL, rasterio's and pyogrio's, without the drivers that are off.

    Where another library has started them before, they are not asked when we open a raster.

    Returns:
        Names of the drivers that open rasters; "VRT", which opens others, is the first.
    """
    for name, value in PATIENCE.items():
        os.environ.setdefault(name, value)
    os.environ.update(NEVER)
    own = os.environ.get("GDAL_SKIP", "")
    skipped = ",".join([*own.split("," if "," in own else None), *OFF])
    # pyogrio's GDAL would complain of names that its version does not know.
    with _environment(GDAL_SKIP=skipped, CPL_LOG=os.devnull), rasterio.Env() as env:
        import pyogrio  # noqa: F401, PLC0415  # it starts GDAL

        found = set(env.drivers()) - {*OFF, "MEM", "Memory", "VRT"}
    return ("VRT", *sorted(found))


@contextmanager
def _environment(**values: str) -> Iterator[None]:
    """Variables of the environment, for the time of the block."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def patience() -> tuple[float, float]:
    """Seconds after which a server is given up that sends nothing, and one that never ends."""
    stall, whole = (
        float(os.environ.get(name) or PATIENCE[name])
        for name in ("GDAL_HTTP_LOW_SPEED_TIME", "GDAL_HTTP_TIMEOUT")
    )
    return stall, whole


MEGABYTES = 256


@contextmanager
def bounded_cache() -> Iterator[None]:
    """Bounds the cache, for the whole process, if nothing was read before."""
    with rasterio.Env(GDAL_CACHEMAX=MEGABYTES):
        yield
