"""What GDAL and PROJ are told for the whole process."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import rasterio

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


MEGABYTES = 256


@contextmanager
def bounded_cache() -> Iterator[None]:
    """Bounds the cache, for the whole process, if nothing was read before."""
    with rasterio.Env(GDAL_CACHEMAX=MEGABYTES):
        yield
