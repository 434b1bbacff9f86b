"""The change objects that the page lists: the largest, and the least certain."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import shapely
from jaxtyping import Float64

from metriccd.raster import Grid

# Of each of both lists; the page shows a part of them, of the kinds that are switched on.
LISTED = 60


@dataclass(frozen=True, kw_only=True)
class Objects:
    """Change objects for a list.

    Attributes:
        count: Of all objects.
        rows: Those listed: `id`, `box` (first row, first column, and those behind the last, in
            pixels of the scene), `area` in square meters or None, `pixels`, `strength` or None,
            `score` (the highest), and `kind` and `direction` in words, or None.
    """

    count: int = 0
    rows: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)

    @classmethod
    def of(cls, table: pd.DataFrame, grid: Grid) -> Objects:
        """The largest and the least certain of all change objects.

        Args:
            table: Columns and outlines of `scene_polygons`, the largest first.
            grid: Where its outlines lie.
        """
        chosen = np.union1d(
            np.arange(min(LISTED, len(table))),
            np.argsort(table["strength"].to_numpy(), kind="stable")[:LISTED],
        )
        part = table.iloc[chosen]
        boxes = _boxes(shapely.bounds(part["geometry"].to_numpy()), grid)
        rows = [
            {
                "id": int(each["id"]),
                "box": box,
                "area": _finite(each["area_m2"], 2),
                "pixels": int(each["pixels"]),
                "strength": _finite(each["strength"], 3),
                "score": _finite(each["score_max"], 4),
                "kind": each.get("kind"),
                "direction": each.get("direction"),
            }
            for each, box in zip(part.to_dict("records"), boxes, strict=True)
        ]
        return cls(count=len(table), rows=tuple(rows))


def _boxes(bounds: Float64[np.ndarray, "object 4"], grid: Grid) -> list[list[int]]:
    """Rows and columns around outlines, from their bounds in coordinates."""
    west, south, east, north = bounds.T
    corners = [(west, south), (west, north), (east, south), (east, north)]
    inverse = ~grid.drawn.transform
    cols, rows = np.array(
        [
            (inverse.a * x + inverse.b * y + inverse.c, inverse.d * x + inverse.e * y + inverse.f)
            for x, y in corners
        ]
    ).transpose(1, 0, 2)
    sides = (rows.min(axis=0), cols.min(axis=0), rows.max(axis=0), cols.max(axis=0))
    whole = np.rint(np.stack(sides, axis=1)).astype(int)
    boxes: list[list[int]] = whole.tolist()
    return boxes


def _finite(value: float, digits: int) -> float | None:
    """A rounded number; JSON has null for what is none."""
    return round(float(value), digits) if math.isfinite(value) else None
