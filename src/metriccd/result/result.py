"""The files of a result, written window by window: rasters, polygons, report, records."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8

from metriccd.decision import BLOCK
from metriccd.output import RECORD
from metriccd.raster import Grid, Window, cog_writer, write_categories
from metriccd.report import (
    Objects,
    ReportData,
    chip,
    color_limit,
    draw_preview,
    encode,
    is_supervised,
    method_of,
    render,
    thumbnail,
)
from metriccd.result.disk import UNWRITABLE, require_room, unwritable
from metriccd.result.drafts import Drafts
from metriccd.result.layers import Products, write_styles, write_vectors
from metriccd.result.polygons import Polygons, scene_polygons
from metriccd.result.rasters import (
    MEANING,
    Part,
    RasterFile,
    ReadKinds,
    direction_of,
    legend,
    raster_files,
    raster_layers,
    write_views,
)
from metriccd.result.stac import stac_item
from metriccd.result.tally import CELL, Accounts, Census, Tally
from metriccd.result.zones import MISSED
from metriccd.stages import Stages


@dataclass(frozen=True, kw_only=True)
class Result:
    """What changed, read by windows, so that it may be larger than memory.

    Attributes:
        read: Change map (True = change) and score (NaN where not valid) of a window.
        threshold: A score above it is change.
        rule: What chose the threshold.
        grid: Where the pixels lie.
        kinds: Kind of every pixel of a window, as if it had changed.
        clusters: Cluster of every pixel of a window, likewise; `record` says what they are.
        lean: Which way the pixels of a window changed, if they did: > 0 what appeared in t2, < 0
            what disappeared from t1; None where the method does not tell.
        t1_rgb: Overview of the first image for display, in [0, 1], NaN where not valid.
        t2_rgb: Of the second one.
        history: Curves of the fit, step by step.
        record: Inputs, settings, versions and warnings, as written to `run.json`.
        stages: Time and memory of each stage.
    """

    read: Callable[[Window], tuple[Bool[np.ndarray, "row col"], Float32[np.ndarray, "row col"]]]
    threshold: float
    rule: str
    grid: Grid
    kinds: ReadKinds | None = None
    clusters: ReadKinds | None = None
    lean: Callable[[Window], Float32[np.ndarray, "row col"]] | None = None
    t1_rgb: Float[np.ndarray, "3 _row _col"] = field(repr=False)
    t2_rgb: Float[np.ndarray, "3 _row _col"] = field(repr=False)
    history: Mapping[str, tuple[float, ...]] = field(default_factory=dict, repr=False)
    record: Mapping[str, Any] = field(default_factory=dict, repr=False)
    stages: Stages = field(default_factory=Stages, repr=False)

    def write(
        self,
        folder: Path,
        *,
        name: str,
        products: Products | None = None,
        work: Path | None = None,
    ) -> dict[str, Any]:
        """Writes all files of a result into an existing folder.

        Args:
            folder: Where to.
            name: Id of the STAC item.
            products: What to write of the polygons; a GeoPackage by default.
            work: Folder on the same disk whose `drafts` are moved, as far as they are there.

        Returns:
            The result in numbers: share, area, objects, threshold, warnings.

        Raises:
            OutputError: The files cannot be written, for want of space or permission.
            DataError: Zones cannot be read, or a format or a unit is asked for that cannot be had.
        """
        asked = products or Products()
        own = [line for line in self.record.get("warnings", ()) if not line.startswith(MISSED)]
        told = dict(self.record) | {"warnings": [*own, *asked.warnings(self.grid)]}
        try:
            return replace(self, record=told)._write(folder, name, asked, work)
        except UNWRITABLE as error:
            raise unwritable(error) from error

    def drafts(self, folder: Path) -> Drafts:
        """Its rasters, which any process may write ahead of the rest, within a folder."""
        place = folder / Drafts.name
        return Drafts(files=self._files, part=self._part, grid=self.grid, folder=place)

    @cached_property
    def _files(self) -> Mapping[str, RasterFile]:
        """The rasters that are as large as the scene, by name."""
        layers = raster_layers(self.record, self.dates, self.method, self.threshold, self.rule)
        meanings = [each["meaning"] for each in self.record.get("clusters", ())]
        reads = {"kind": self.kinds, "cluster": self.clusters, "direction": self.lean}
        known = [name for name, read in reads.items() if read is not None]
        return raster_files(*layers, known, meanings)

    @cached_property
    def polygons(self) -> Polygons:
        """The change objects: the columns of `scene_polygons`, and how they were found.

        Added columns: `date_before`, `date_after` (UTC; NaT where unknown), `method`, `threshold`.
        """
        found = scene_polygons(
            self.read,
            self.grid,
            threshold=self.threshold,
            connectivity=self.record.get("cleaning", {}).get("connectivity", 4),
            kinds=self.kinds,
            clusters=self.clusters,
            directions=None if self.lean is None else self._directions,
        )
        before, after = self.dates
        return found.assign(
            date_before=np.full(len(found), before, "datetime64[ms]"),
            date_after=np.full(len(found), after, "datetime64[ms]"),
            method=self.method,
            threshold=self.threshold,
        )

    @property
    def dates(self) -> tuple[np.datetime64, np.datetime64]:
        """When the images were taken, UTC; NaT where nothing tells."""
        before, after = (
            np.datetime64("NaT")
            if time is None
            else np.datetime64(time.astimezone(UTC).replace(tzinfo=None))
            for time in self._taken()
        )
        return before, after

    @property
    def method(self) -> str:
        """Name of the method, marked where it is supervised."""
        return method_of(self.record)

    def summary(self, changed: int, valid: int, polygons: Polygons | None = None) -> dict[str, Any]:
        """The result in numbers: share, area, objects, threshold, warnings.

        Args:
            changed: Pixels that changed.
            valid: Pixels that were looked at.
            polygons: The change objects, where they are at hand.
        """
        objects = self.polygons if polygons is None else polygons
        return {
            "changed_pixels": changed,
            "valid_pixels": valid,
            "changed_share": changed / max(valid, 1),
            "area_m2": float(objects["area_m2"].sum()) if self.grid.has_areas else None,
            "objects": len(objects),
            "threshold": self.threshold,
            "rule": self.rule,
            "certainty": self.record.get("settings", {}).get("certainty"),
            "supervised": is_supervised(self.record),
            "warnings": list(self.record.get("warnings", ())),
        }

    def _write(
        self, folder: Path, name: str, products: Products, work: Path | None
    ) -> dict[str, Any]:
        created = datetime.now(UTC)
        with self.stages.stage("polygons") as advance:
            write_vectors(self.polygons, folder, self.read, self.grid, products)
            advance(1)
        accounts = self._write_rasters(folder, work)
        kinds, clusters = legend(accounts.kinds.pixels), self._counted(accounts.clusters)
        write_views(folder, self.grid, self.t1_rgb, self.t2_rgb)
        write_styles(folder, name, self.grid, products, self._files)
        with self.stages.stage("report", 2) as advance:
            item = stac_item(
                name, self.grid, created=created, taken=self._taken(), derived=self._items()
            )
            (folder / "item.json").write_text(_json(item), encoding="utf-8")
            data = replace(
                self._report_data(accounts.tally),
                folder=name,
                kinds=kinds,
                clusters=[
                    each | {"chips": self._chips(accounts.places.densest(each["value"]))}
                    for each in clusters
                ],
            )
            preview = draw_preview(data)
            (folder / "preview-large.png").write_bytes(encode(preview, "png"))
            (folder / "preview.png").write_bytes(thumbnail(preview, keep=MEANING))
            advance(1)
            files = [RECORD, *(path.name for path in folder.iterdir())]
            (folder / "report.html").write_text(
                render(replace(data, files=files)), encoding="utf-8"
            )
            advance(1)
        summary = self.summary(*accounts.tally.pixels)
        record = dict(self.record) | {
            "products": products.record(),
            "display": {
                **self.record.get("display", {}),
                "score": color_limit(accounts.tally.overview.array, self.threshold),
            },
            "valid_pixels": summary["valid_pixels"],
            "changed_pixels": summary["changed_pixels"],
            "kinds": dict(kinds),
            "clusters": clusters,
            "created": created.isoformat(),
            "stages": self._stage_rows(),
        }
        (folder / RECORD).write_text(_json(record))
        return summary

    def _write_rasters(self, folder: Path, work: Path | None) -> Accounts:
        """Writes all rasters that are not there in one pass, and counts meanwhile."""
        accounts = Accounts.of(self.grid.shape, self.threshold)
        moved = () if work is None else self.drafts(work).move(folder)
        missing = {name: file for name, file in self._files.items() if name not in moved}
        require_room(folder, self.grid, [file.layer for file in missing.values()])
        windows = list(self.grid.windows(BLOCK))
        with self.stages.stage("write", len(windows) + 1) as advance, ExitStack() as opened:
            writers = [
                (file, opened.enter_context(cog_writer(folder / name, self.grid, file.layer)))
                for name, file in missing.items()
            ]
            for window in windows:
                part = self._part(window)
                accounts.add(window, part, self.grid)
                for file, write in writers:
                    write(window, file.pixels(part))
                advance(1)
        for name, file in self._files.items():
            if file.categories:
                write_categories(folder / name, file.categories)
        return accounts

    def _directions(self, window: Window) -> UInt8[np.ndarray, "row col"]:
        """Which way every pixel of a window changed, if it did."""
        assert self.lean is not None
        lean = self.lean(window)
        valid = ~np.isnan(lean)
        return direction_of(valid, valid, lean)

    def _part(self, window: Window) -> Part:
        change, score = self.read(window)
        return Part(
            change=change,
            score=score,
            kinds=None if self.kinds is None else self.kinds(window),
            clusters=None if self.clusters is None else self.clusters(window),
            lean=None if self.lean is None else self.lean(window),
        )

    def _counted(self, census: Census) -> list[dict[str, Any]]:
        """What the record says of each cluster, with what changed of it."""
        known = self.grid.has_areas
        return [
            each
            | {
                "changed_pixels": int(census.pixels[each["value"]]),
                "area_m2": float(census.area[each["value"]]) if known else None,
            }
            for each in self.record.get("clusters", ())
        ]

    def _chips(self, corner: tuple[int, int] | None) -> list[UInt8[np.ndarray, "3 _row _col"]]:
        """Both dates in a cell of the overview; none where there is no cell."""
        if corner is None:
            return []
        return [chip(image, *corner, side=CELL) for image in (self.t1_rgb, self.t2_rgb)]

    def _report_data(self, tally: Tally) -> ReportData:
        """What the report shows."""
        return ReportData(
            t1=self.t1_rgb,
            t2=self.t2_rgb,
            score=tally.overview.array,
            threshold=self.threshold,
            rule=self.rule,
            grid=self.grid,
            pixel_area=self._pixel_area(tally),
            levels=tally.levels,
            kind_map=tally.kind_map,
            objects=Objects.of(self.polygons, self.grid),
            record=self.record,
            convergence=self.history,
            stages=[(stage.name, stage.seconds, stage.peak_mib) for stage in self.stages.done],
        )

    def _pixel_area(self, tally: Tally) -> float | None:
        """Square meters of a pixel: of the changed ones on average, where there are any."""
        changed = int(tally.changed.sum())
        if not changed or not self.grid.has_areas:
            return self.grid.pixel_area
        return float(self.polygons["area_m2"].sum()) / changed

    def _taken(self) -> tuple[datetime | None, datetime | None]:
        """When the images were taken, as far as it is known."""
        dates = self.record.get("dates", {})
        told = [(dates.get(date) or {}).get("time") for date in ("t1", "t2")]
        one, other = (None if time is None else datetime.fromisoformat(time) for time in told)
        return one, other

    def _items(self) -> list[str]:
        """Addresses of the STAC items that the images came from."""
        inputs = [_stac(self.record["inputs"][date]) for date in ("t1", "t2")]
        return [each["href"] for each in inputs if each]

    def _stage_rows(self) -> list[dict[str, Any]]:
        return [
            {
                "name": stage.name,
                "seconds": round(stage.seconds, 3),
                "peak_mib": round(stage.peak_mib, 1),
            }
            for stage in self.stages.done
        ]


def _json(content: Mapping[str, Any]) -> str:
    """Valid JSON of anything a record may hold: numbers of NumPy, and null for what is none."""
    return json.dumps(_plain(content), indent=2, allow_nan=False, default=str)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _stac(image: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the record of an image says of its STAC item; empty where it came from none."""
    found: Mapping[str, Any] = image.get("stac", {})
    return found
