"""The summary of a batch: a row for each pair, as GeoParquet, and the same as a page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from metriccd.batch.index import write_index
from metriccd.batch.journal import Journal
from metriccd.batch.manifest import Row
from metriccd.batch.place import Place, replaced
from metriccd.errors import OutputError

SUMMARY, INDEX = "summary.parquet", "index.html"
FIGURES = ("changed_share", "area_m2", "objects", "threshold", "rule", "certainty")


def write_summary(rows: Sequence[Row], journal: Journal, place: Place) -> None:
    """Writes `summary.parquet` and `index.html`, each whole or not at all.

    Args:
        rows: All pairs.
        journal: What is known of them.
        place: OUT.

    Raises:
        OutputError: They cannot be written.
    """
    table = summary_of(rows, journal, place)
    try:
        with replaced(place.out / SUMMARY) as partial:
            table.to_parquet(partial, index=False, compression="zstd")
        write_index(table, place.out / INDEX)
    except OSError as error:
        raise OutputError(
            f"OUT must be writable: {place.out}: {error.strerror or error}; free space"
        ) from None


def summary_of(rows: Sequence[Row], journal: Journal, place: Place) -> gpd.GeoDataFrame:
    """A row for each pair: figures, status, and where it lies (EPSG:4326)."""
    found = [_record(row, journal.find(row.id) or {}, place) for row in rows]
    outlines = shapely.from_wkt(
        np.array([each.pop("footprint") for each in found], object), on_invalid="ignore"
    )
    table = pd.DataFrame(found)
    for name in ("changed_share", "area_m2", "threshold", "seconds"):
        table[name] = table[name].astype("float64")
    table["objects"] = table["objects"].astype("Int64")
    for name in table.columns.difference(["changed_share", "area_m2", "threshold", "seconds"]):
        if table[name].dtype == object and name != "warnings":
            # What people wrote in one column may be text here and a number there.
            kinds = {type(value) for value in table[name] if value is not None}
            if len(kinds) > 1:
                table[name] = table[name].map(lambda value: None if value is None else str(value))
    return gpd.GeoDataFrame(table, geometry=outlines, crs="EPSG:4326")


def _record(row: Row, entry: dict[str, Any], place: Place) -> dict[str, Any]:
    """What the summary says of a pair."""
    figures = entry.get("summary") or {}
    status = entry.get("status", "left")
    record = {
        "id": row.id,
        "status": status,
        **{name: figures.get(name) for name in FIGURES},
        "warnings": list(figures.get("warnings") or ()),
        "seconds": entry.get("seconds"),
        "attempts": entry.get("attempts"),
        "error": entry.get("error"),
        "result": _relative(place.result(row.id), place.out) if status == "done" else None,
        "t1": row.t1,
        "t2": row.t2,
        "footprint": entry.get("footprint"),
    }
    # A column of the user's that is called like one of ours is told from it.
    own = {f"manifest_{k}" if k in {*record, "geometry"} else k: v for k, v in row.carried.items()}
    return record | own


def _relative(path: Path, out: Path) -> str:
    return path.relative_to(out).as_posix()
