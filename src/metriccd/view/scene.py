"""A scene: one result as the page shows it, opened once and looked at by many requests."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
from jaxtyping import Int64

from metriccd.errors import DataError
from metriccd.kinds import KINDS
from metriccd.output import RECORD
from metriccd.raster import Grid, Raster, open_raster
from metriccd.report import CHANGE_RGB, color_table, method_of
from metriccd.result import read_record
from metriccd.view.calm import Calm
from metriccd.view.catalog import day_of
from metriccd.view.originals import Originals, find_originals
from metriccd.view.pyramid import Pyramid
from metriccd.view.views import View

CLASSES = ("change", "kind")
VIEWS = {"t1": "before-view.tif", "t2": "after-view.tif"}
LEVELS, BLOCK = 1000, 1024
# Of the colors of the score, each of so many is told.
TABLE = 15
# Score below which its colors never end: each of them takes a number of its own.
LEAST = 0.001


@dataclass(kw_only=True, eq=False)
class Scene:
    """A result.

    Attributes:
        folder: Where it is.
        stamp: What tells that it was not replaced since.
        record: Its `run.json`.
        rasters: Its rasters by layer.
        originals: The images it was made of; why they are not shown; None while they are looked at.
        levels: Pixels with a score above each of `LEVELS` steps, once they are counted.
        calm: When there is time for what takes long.
    """

    folder: Path
    stamp: str
    record: Mapping[str, Any] = field(repr=False)
    rasters: Mapping[str, Raster] = field(repr=False)
    originals: Originals | str | None = None
    levels: Int64[np.ndarray, " level"] | None = field(default=None, repr=False)
    calm: Calm = field(default_factory=Calm, repr=False)

    @classmethod
    def opened(cls, folder: Path) -> Scene:
        """Opens a result.

        Raises:
            DataError: It lacks a file, or one of them leads elsewhere.
        """
        stamp = stamp_of(folder)
        record = read_record(folder)
        names = {"score": "score.tif", "change": "change.tif", **VIEWS}
        if (folder / "kind.tif").is_file():
            names["kind"] = "kind.tif"
        for name in (*names.values(), "change.gpkg"):
            require_within(folder, name)
        rasters = {layer: open_raster(folder / name) for layer, name in names.items()}
        scene = cls(folder=folder, stamp=stamp, record=record, rasters=rasters)
        try:
            json.dumps(scene.facts(), allow_nan=False)
        except (AttributeError, KeyError, TypeError, ValueError):
            raise DataError(
                f"{RECORD} must be as it was written: that of {folder} is not; detect again"
            ) from None
        # Read once, before many threads want it.
        _ = scene.views
        return scene

    @property
    def grid(self) -> Grid:
        """Where the pixels lie."""
        return self.rasters["score"].grid

    @cached_property
    def pyramid(self) -> Pyramid:
        """Where the tiles lie."""
        return Pyramid(grid=self.grid)

    @cached_property
    def views(self) -> Mapping[str, View]:
        """Small pictures of both dates."""
        return {date: View.of(self.rasters[date], self.grid) for date in VIEWS}

    @property
    def kinds(self) -> Sequence[int]:
        """Values of the kinds that its pixels have."""
        told = self.record.get("kinds")
        return [KINDS[name].value for name in KINDS if isinstance(told, dict) and name in told]

    @property
    def threshold(self) -> float:
        """A score above it is change."""
        return float(self.record["threshold"]["value"])

    def study(self) -> None:
        """Looks for the original images, and counts the score; it takes seconds for gigabytes."""
        self.originals = find_originals(self.record, self.grid, self.calm.wait)
        self._count()

    def _count(self) -> None:
        counts = np.zeros(LEVELS + 1, np.int64)
        with self.rasters["score"].reader(self.grid, categorical=True) as read:
            for window in self.grid.windows(BLOCK):
                if not self.calm.wait():
                    return
                values, valid = read(window)
                steps = np.ceil(np.clip(values[0][valid], 0, 1) * LEVELS).astype(np.int64)
                counts += np.bincount(steps, minlength=LEVELS + 1)
        self.levels = counts[::-1].cumsum()[::-1][1:]

    @property
    def shown(self) -> str:
        """What the pictures of both dates are: it is part of their addresses."""
        return "originals" if isinstance(self.originals, Originals) else "views"

    def facts(self) -> dict[str, Any]:
        """What the page must know."""
        grid, record = self.grid, self.record
        transform = grid.drawn.transform
        return {
            "name": self.folder.name,
            "stamp": self.stamp,
            "rows": grid.height,
            "cols": grid.width,
            "finest": self.pyramid.finest,
            "origin": self.pyramid.origin,
            "world": self.pyramid.world,
            "transform": list(transform[:6]),
            "georeferenced": grid.georeferenced,
            "crs": None if grid.crs is None else crs_name(grid),
            "degrees": bool(grid.crs is not None and grid.crs.is_geographic),
            "ground": grid.ground,
            "pixelArea": grid.pixel_area,
            "threshold": self.threshold,
            "rule": record["threshold"]["rule"],
            "method": method_of(record),
            "dates": {date: day_of(record, date) for date in VIEWS},
            "names": {date: _input(record, date) for date in VIEWS},
            "valid": record.get("valid_pixels"),
            "kinds": [
                {"name": name, "value": kind.value, "color": kind.color, "meaning": kind.meaning}
                for name, kind in KINDS.items()
            ],
            "colors": {
                "change": CHANGE_RGB,
                "score": color_table()[::TABLE].tolist(),
                "limit": _limit(_display(record)),
            },
            "oneStretch": _display(record).get("stretch") != "each",
            "layers": [layer for layer in ("score", "change", "kind") if layer in self.rasters],
        }


def stamp_of(folder: Path) -> str:
    """What changes where a result is replaced.

    Raises:
        DataError: There is none.
    """
    try:
        found = (folder / RECORD).stat()
    except OSError:
        raise DataError(
            f"a result must be a folder with {RECORD}: {folder} is none; check the path"
        ) from None
    return f"{found.st_mtime_ns:x}-{found.st_ino:x}-{found.st_size:x}"


def require_within(folder: Path, name: str) -> None:
    """Refuses a file of a result that leads out of it.

    Raises:
        DataError: It does, or is not there.
    """
    path = folder / name
    if not path.is_file():
        raise DataError(f"a result must hold {name}: {folder} does not; detect again")
    if path.resolve().parent != folder.resolve():
        raise DataError(
            f"files of a result must be in it: {name} of {folder} is a link to elsewhere; copy "
            "what it leads to"
        )


def crs_name(grid: Grid) -> str:
    """A CRS in a few words."""
    crs = pyproj.CRS.from_user_input(grid.crs)
    code = crs.to_authority()
    return f"{crs.name} ({':'.join(code)})" if code else str(crs.name)


def _display(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a record says of how its pictures were made; nothing in those of old."""
    told = record.get("display")
    return told if isinstance(told, dict) else {}


def _limit(display: Mapping[str, Any]) -> float:
    """Score at which its colors end, as in the report."""
    told = display.get("score")
    return max(told, LEAST) if isinstance(told, float) and 0 < told <= 1 else 1.0


def _input(record: Mapping[str, Any], date: str) -> str:
    told = (record.get("inputs") or {}).get(date)
    return Path(str(told["path"])).name if isinstance(told, dict) and "path" in told else date
