"""A sample of points as a reference: which pixels they lie on, and what they say."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float64, Int64
from pyproj import Transformer

from metriccd.accuracy.sample import SampleEstimates, estimate
from metriccd.errors import DataError
from metriccd.raster import Grid
from metriccd.trust import require_file

# Names of the columns: coordinates of the grid, or degrees of WGS 84.
COLUMNS = (("x", "y"), ("lon", "lat"))
# Pixels; no raster is as wide.
FAR = 2.0**40
# Letters of a cell that are told.
SHOWN = 40
LABELS = {"1": True, "change": True, "true": True, "0": False, "no change": False, "false": False}


@dataclass(frozen=True, kw_only=True)
class Points:
    """Points of a reference on the pixels of a result.

    Attributes:
        rows: Of each point; it may lie beyond the result.
        cols: Likewise.
        changed: True = change.
    """

    rows: Int64[np.ndarray, " point"]
    cols: Int64[np.ndarray, " point"]
    changed: Bool[np.ndarray, " point"]


def read_points(path: Path, grid: Grid) -> Points:
    """Points of a CSV file with the columns x, y (of the grid) or lon, lat, and label.

    A label is 1 or "change", 0 or "no change".

    Raises:
        DataError: The file cannot be read, has other columns, or a value means nothing.
    """
    require_file(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = [
                {str(name).strip().lower(): value for name, value in row.items()}
                for row in csv.DictReader(stream)
            ]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"points must be a CSV file: {path}: {reason}; check the file") from None
    columns = next((pair for pair in COLUMNS if rows and {*pair, "label"} <= rows[0].keys()), None)
    if columns is None:
        got = ", ".join(rows[0])[: 3 * SHOWN] if rows else "no points"
        raise DataError(
            f"points must have columns x,y,label or lon,lat,label: {path} has {got}; rename them"
        )
    x, y = (np.array([_number(row[name], path) for row in rows]) for name in columns)
    if columns == ("lon", "lat"):
        if grid.crs is None:
            raise DataError(
                f"lon,lat need a CRS to be placed: the result of {path} has none; give x,y"
            )
        x, y = Transformer.from_crs(4326, grid.crs.to_wkt(), always_xy=True).transform(x, y)
    changed = np.array([_label(row["label"], path) for row in rows])
    x, y, changed = _distinct(x, y, changed, path)
    with np.errstate(invalid="ignore"):
        cols, rows_of = ~grid.transform * (x, y)
        # Far beyond what a whole number can tell, too.
        beyond = ~((np.abs(cols) < FAR) & (np.abs(rows_of) < FAR))
    cols, rows_of = (np.where(beyond, -1, np.floor(each)) for each in (cols, rows_of))
    return Points(
        rows=rows_of.astype(np.int64),
        cols=cols.astype(np.int64),
        changed=changed,
    )


def _distinct(
    x: Float64[np.ndarray, " point"],
    y: Float64[np.ndarray, " point"],
    changed: Bool[np.ndarray, " point"],
    path: Path,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each place once: a point that is told twice is one observation.

    Raises:
        DataError: A place has both labels.
    """
    places, first, group = np.unique(
        np.stack([x, y]), axis=1, return_index=True, return_inverse=True
    )
    group = group.ravel()
    twice = changed != changed[first][group]
    if twice.any():
        where = ", ".join(f"{value:.9g}" for value in places[:, group[twice][0]])
        raise DataError(f"a point has one label: {path} has both at {where}; correct it")
    kept = np.sort(first)
    return x[kept], y[kept], changed[kept]


def sampled(
    points: Points,
    change: Bool[np.ndarray, "row col"],
    valid: Bool[np.ndarray, "row col"],
    mapped: Float64[np.ndarray, " class"],
) -> tuple[SampleEstimates, Int64[np.ndarray, "class class"]]:
    """Estimates from the points that lie on valid pixels, the map's classes being the strata.

    Args:
        points: The reference.
        change: The change map.
        valid: Pixels that were compared.
        mapped: Area, or pixels, of no change and of change in the map.

    Returns:
        Estimates, and points by class of the map (rows) and of the reference (columns).

    Raises:
        DataError: A class of the map that exists has fewer than two points.
    """
    height, width = change.shape
    inside = (points.rows >= 0) & (points.rows < height) & (points.cols >= 0)
    inside &= points.cols < width
    rows, cols, changed = points.rows[inside], points.cols[inside], points.changed[inside]
    known = valid[rows, cols]
    if not known.any():
        raise DataError(
            f"points must lie on the result: none of {len(points.rows)} does, or all are on "
            "missing pixels; check their CRS and the order of their columns"
        )
    said = change[rows[known], cols[known]] * 2 + changed[known]
    counts = np.bincount(said, minlength=4).reshape(2, 2)
    return estimate(counts, mapped), counts


def described(found: SampleEstimates, total: float, unit: str) -> dict[str, tuple[float, str]]:
    """Figures for people: label → value and "sample": estimates from points.

    Args:
        found: Of no change and of change.
        total: Area of the whole map.
        unit: Its unit.
    """
    area, error, low, high = found.area(total, 1)
    figures: Sequence[tuple[str, float]] = (
        ("overall accuracy (OA)", found.oa),
        ("its standard error", found.oa_error),
        ("precision (UA)", float(found.ua[1])),
        ("standard error of UA", float(found.ua_error[1])),
        ("recall (producer's accuracy)", float(found.pa[1])),
        ("standard error of recall", float(found.pa_error[1])),
        (f"changed area, {unit}", area),
        (f"its standard error, {unit}", error),
        (f"lower end of 95 %, {unit}", low),
        (f"upper end of 95 %, {unit}", high),
    )
    return {label: (value, "sample") for label, value in figures}


def _number(text: str | None, path: Path) -> float:
    try:
        return float(text or "")
    except (TypeError, ValueError):
        raise DataError(
            f"coordinates must be numbers: {path} has {_told(text)}; correct it"
        ) from None


def _label(text: str | None, path: Path) -> bool:
    known = LABELS.get(str(text).strip().lower())
    if known is None:
        raise DataError(f"a label must be 1 (change) or 0: {path} has {_told(text)}; recode it")
    return known


def _told(cell: str | None) -> str:
    """A cell for a message; an open quote makes one of all lines that follow."""
    text = repr(cell)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
