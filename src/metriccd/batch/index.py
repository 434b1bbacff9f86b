"""The index of a batch: one page that needs no network and opens at once, however many pairs."""

from __future__ import annotations

import json
import math
from importlib.resources import files
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import shapely

from metriccd.batch.place import replaced

# Where the page's data stand in its template.
HOLE = "/*DATA*/null"
# Digits of degrees on the map: ten meters.
DIGITS = 4


def write_index(table: gpd.GeoDataFrame, target: Path) -> None:
    """Writes the page of a summary, whole or not at all.

    Data stand in it by columns, which is a third of what rows would take; pictures are files beside
    it, and only those that are looked at are read.

    Args:
        table: The summary.
        target: The file.
    """
    template = (files("metriccd.batch") / "index.html").read_text(encoding="utf-8")
    # Nothing that a manifest says may end the script that holds it.
    data = json.dumps(index_data(table), ensure_ascii=False, separators=(",", ":"))
    data = data.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    before, after = template.split(HOLE)
    with replaced(target) as partial:
        partial.write_text(before + data + after, encoding="utf-8", errors="replace")


def index_data(table: gpd.GeoDataFrame) -> dict[str, Any]:
    """The page's data: a list for each column, and boxes [row, west, south, east, north]."""
    parts, rows = shapely.get_parts(table.geometry.to_numpy(), return_index=True)
    boxes = np.round(shapely.bounds(parts), DIGITS) if len(parts) else np.zeros((0, 4))
    return {
        "id": table["id"].tolist(),
        "status": table["status"].tolist(),
        "share": _numbers(table["changed_share"], 6),
        "area": _numbers(table["area_m2"], 0),
        "objects": [None if value is None else int(value) for value in _plain(table["objects"])],
        "threshold": _numbers(table["threshold"], 4),
        "seconds": _numbers(table["seconds"], 1),
        "warnings": [len(each) for each in table["warnings"]],
        "error": _plain(table["error"]),
        "boxes": [[int(row), *box] for row, box in zip(rows, boxes.tolist(), strict=True)],
    }


def _plain(column: Any) -> list[Any]:
    found: list[Any] = column.astype(object).where(column.notna(), None).tolist()
    return found


def _numbers(column: Any, digits: int) -> list[float | None]:
    return [None if not math.isfinite(value) else round(value, digits) for value in column.tolist()]
