"""The objects of a result as columns, in pixels of its grid."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pyogrio
import shapely
from jaxtyping import Float64, Int64, Shaped, UInt8

from metriccd.errors import DataError
from metriccd.kinds import KINDS
from metriccd.raster import Grid, readable

POLYGONS, LAYER = "change.gpkg", "change"
# Columns without which an object cannot be shown or put in order.
NEEDED = ("id", "pixels", "area_m2", "score_mean", "score_max", "strength")
UNKNOWN = 0
# Objects that are read at once.
AT_ONCE = 8192


@dataclass(frozen=True, kw_only=True, eq=False)
class Objects:
    """Change objects, in the order of the file: the largest first.

    Attributes:
        ids: Of `change.gpkg`.
        pixels: Their numbers.
        sizes: Areas in m²; pixels where areas are unknown.
        in_meters: Whether they are areas.
        score_mean: Of the pixels.
        score_max: Likewise.
        strength: Mean of ln(distance / threshold).
        kinds: Value of the most frequent kind of each, 0 where unknown.
        shapes: Outlines in the coordinates of the file.
        outlines: The same in pixels: (column, row) of corners.
        boxes: First column and row, last column and row, of the corners of each.
    """

    ids: Int64[np.ndarray, " object"]
    pixels: Int64[np.ndarray, " object"]
    sizes: Float64[np.ndarray, " object"]
    in_meters: bool
    score_mean: Float64[np.ndarray, " object"]
    score_max: Float64[np.ndarray, " object"]
    strength: Float64[np.ndarray, " object"]
    kinds: UInt8[np.ndarray, " object"]
    shapes: Shaped[np.ndarray, " object"] = field(repr=False)
    outlines: Shaped[np.ndarray, " object"] = field(repr=False)
    boxes: Float64[np.ndarray, "object 4"] = field(repr=False)

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def places(self) -> dict[int, int]:
        """Place in these columns by id."""
        return {int(number): place for place, number in enumerate(self.ids)}

    def kind(self, place: int) -> str | None:
        """Name of the kind of an object; None where it is unknown."""
        return KIND_NAMES.get(int(self.kinds[place]))


KIND_NAMES = {kind.value: name for name, kind in KINDS.items()}


def read_objects(folder: Path, grid: Grid, turn: Callable[[], object] = lambda: None) -> Objects:
    """The objects of a result, a part at a time.

    Args:
        folder: Of the result.
        grid: Its grid.
        turn: Called before each part: others have their turn.

    Raises:
        DataError: Its `change.gpkg` cannot be read, or lacks a column, an outline or a score.
    """
    path = folder / POLYGONS
    back = ~grid.drawn.transform

    def in_pixels(xy: Float64[np.ndarray, "point 2"]) -> Float64[np.ndarray, "point 2"]:
        x, y = xy.T
        return np.stack([back.a * x + back.b * y + back.c, back.d * x + back.e * y + back.f], 1)

    tables: list[dict[str, np.ndarray]] = []
    with readable(POLYGONS, str(path)):
        count = pyogrio.read_info(path, layer=LAYER)["features"]
        for first in range(0, max(count, 1), AT_ONCE):
            turn()
            meta, _, wkb, columns = pyogrio.raw.read(
                path, layer=LAYER, skip_features=first, max_features=AT_ONCE
            )
            shapes = np.asarray(shapely.from_wkb(wkb), object)
            table = dict(zip(meta["fields"], columns, strict=True))
            table["shapes"] = shapes
            table["outlines"] = np.asarray(shapely.transform(shapes, in_pixels), object)
            table["boxes"] = shapely.bounds(table["outlines"]).reshape(-1, 4)
            tables.append(table)
    lacking = [name for name in NEEDED if name not in tables[0]]
    if lacking:
        raise DataError(
            f"{POLYGONS} must have the columns of a result: that of {folder} lacks {lacking[0]}; "
            "detect again"
        )
    if not all(_is_whole(table) for table in tables):
        raise DataError(
            f"objects must have outlines and scores: one of {POLYGONS} in {folder} lacks one; "
            "detect again"
        )
    whole = {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}
    sizes, pixels = whole["area_m2"].astype(np.float64), whole["pixels"].astype(np.int64)
    in_meters = bool(np.isfinite(sizes).all())
    words = whole.get("kind", np.full(len(pixels), None, object)).tolist()
    values = [KINDS[word].value if word in KINDS else UNKNOWN for word in words]
    return Objects(
        ids=whole["id"].astype(np.int64),
        pixels=pixels,
        sizes=sizes if in_meters else pixels.astype(np.float64),
        in_meters=in_meters,
        score_mean=whole["score_mean"].astype(np.float64),
        score_max=whole["score_max"].astype(np.float64),
        strength=whole["strength"].astype(np.float64),
        kinds=np.array(values, np.uint8),
        shapes=whole["shapes"],
        outlines=whole["outlines"],
        boxes=whole["boxes"],
    )


def _is_whole(table: Mapping[str, np.ndarray]) -> bool:
    """Whether all objects of a part can be drawn and put in order."""
    figures = (table["boxes"].ravel(), table["score_mean"], table["score_max"])
    return all(bool(np.isfinite(each.astype(np.float64)).all()) for each in figures)
