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
from metriccd.errors import OutputError
from metriccd.kinds import shown
from metriccd.raster import CogLayer, Grid, Window, cog_writer
from metriccd.result import pictures, style
from metriccd.result.folder import RECORD
from metriccd.result.kinds import KIND_LAYER, ReadKinds, legend, write_category_names
from metriccd.result.polygons import Polygons, scene_polygons, write_polygons
from metriccd.result.report import ReportData, draw_preview, render
from metriccd.result.stac import stac_item
from metriccd.result.tally import Tally
from metriccd.stages import Stages

# A reference (True = change) and figures against it: name → value and what it was chosen with.
Judgment = tuple[Bool[np.ndarray, "row col"], Mapping[str, tuple[float, str]]]

_SCORE_LAYER = CogLayer(dtype="float32", nodata=float("nan"), bands=("score",), overviews="average")
_CHANGE_LAYER = CogLayer(
    dtype="uint8",
    nodata=style.NODATA,
    bands=("change",),
    overviews="mode",
    colors=style.COLORS,
)
_DIRECTION_LAYER = CogLayer(
    dtype="uint8",
    nodata=style.NODATA,
    bands=("direction",),
    overviews="mode",
    colors=style.DIRECTION_COLORS,
)


@dataclass(frozen=True, kw_only=True)
class Result:
    """What changed, read by windows, so that it may be larger than memory.

    Attributes:
        read: Change map (True = change) and score (NaN where not valid) of a window.
        threshold: A score above it is change.
        rule: What chose the threshold.
        grid: Where the pixels lie.
        kinds: Kind of every pixel of a window, as if it had changed.
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
    lean: Callable[[Window], Float32[np.ndarray, "row col"]] | None = None
    t1_rgb: Float[np.ndarray, "3 _row _col"] = field(repr=False)
    t2_rgb: Float[np.ndarray, "3 _row _col"] = field(repr=False)
    history: Mapping[str, tuple[float, ...]] = field(default_factory=dict, repr=False)
    record: Mapping[str, Any] = field(default_factory=dict, repr=False)
    stages: Stages = field(default_factory=Stages, repr=False)

    def write(self, folder: Path, *, name: str, judgment: Judgment | None = None) -> dict[str, Any]:
        """Writes all files of a result into an existing folder.

        Args:
            folder: Where to.
            name: Id of the STAC item.
            judgment: A reference and the figures against it, for the report to show.

        Returns:
            The result in numbers: share, area, objects, threshold, warnings.

        Raises:
            OutputError: The files cannot be written, for want of space or permission.
        """
        try:
            return self._write(folder, name, judgment)
        except OSError as error:
            raise OutputError(
                f"OUT must be writable: {error}; free space, or choose another folder"
            ) from error

    @cached_property
    def polygons(self) -> Polygons:
        """The change objects, see `scene_polygons`."""
        return scene_polygons(self.read, self.grid, kinds=self.kinds)

    def summary(self, tally: Tally) -> dict[str, Any]:
        """The result in numbers: share, area, objects, threshold, warnings."""
        known = self.grid.has_areas
        return tally.summary() | {
            "area_m2": float(self.polygons["area_m2"].sum()) if known else None,
            "objects": len(self.polygons),
            "threshold": self.threshold,
            "rule": self.rule,
            "certainty": self.record.get("settings", {}).get("certainty"),
            "warnings": list(self.record.get("warnings", ())),
        }

    def _write(self, folder: Path, name: str, judgment: Judgment | None) -> dict[str, Any]:
        created = datetime.now(UTC)
        with self.stages.stage("polygons") as advance:
            write_polygons(self.polygons, folder / "change.gpkg")
            advance(1)
        tally = self._write_rasters(folder)
        kinds = self._write_kinds(folder)
        self._write_direction(folder)
        (folder / "change.qml").write_text(style.qml())
        with self.stages.stage("report", 2) as advance:
            item = stac_item(
                name, self.grid, created=created, taken=self._taken(), derived=self._items()
            )
            (folder / "item.json").write_text(_json(item))
            data = replace(self._report_data(tally, judgment), kinds=kinds)
            preview = draw_preview(data)
            (folder / "preview.png").write_bytes(pictures.encode(preview, "png"))
            advance(1)
            (folder / "report.html").write_text(render(data, preview), encoding="utf-8")
            advance(1)
        summary = self.summary(tally)
        record = dict(self.record) | {
            "valid_pixels": summary["valid_pixels"],
            "changed_pixels": summary["changed_pixels"],
            "kinds": dict(kinds),
            "created": created.isoformat(),
            "stages": self._stage_rows(),
        }
        (folder / RECORD).write_text(_json(record))
        return summary

    def _write_rasters(self, folder: Path) -> Tally:
        """Writes score.tif and change.tif, and counts their pixels meanwhile."""
        tally = Tally.of(self.grid.shape, self.threshold)
        windows = list(self.grid.windows(BLOCK))
        with (
            self.stages.stage("write", len(windows) + 1) as advance,
            ExitStack() as files,
        ):
            score_file, change_file = (
                files.enter_context(cog_writer(folder / file, self.grid, layer))
                for file, layer in (("score.tif", _SCORE_LAYER), ("change.tif", _CHANGE_LAYER))
            )
            for window in windows:
                change, score = self.read(window)
                tally.add(window, change, score)
                score_file(window, score[np.newaxis])
                change_file(window, _classes(change, ~np.isnan(score))[np.newaxis])
                advance(1)
        return tally

    def _write_kinds(self, folder: Path) -> Mapping[str, int]:
        """Writes kind.tif; returns the changed pixels of each kind."""
        counts = np.zeros(256, np.int64)
        if self.kinds is None:
            return {}
        windows = list(self.grid.windows(BLOCK))
        path = folder / "kind.tif"
        with (
            self.stages.stage("write kinds", len(windows) + 1) as advance,
            cog_writer(path, self.grid, KIND_LAYER) as write,
        ):
            for window in windows:
                classes = shown(self.kinds(window), self.read(window)[0])
                counts += np.bincount(classes.reshape(-1), minlength=256)
                write(window, classes[np.newaxis])
                advance(1)
        write_category_names(path)
        return legend(counts)

    def _write_direction(self, folder: Path) -> None:
        """Writes direction.tif: which way changed pixels changed."""
        if self.lean is None:
            return
        path = folder / "direction.tif"
        with cog_writer(path, self.grid, _DIRECTION_LAYER) as write:
            for window in self.grid.windows(BLOCK):
                change, score = self.read(window)
                write(window, direction_of(change, ~np.isnan(score), self.lean(window))[np.newaxis])
        write_category_names(path, style.DIRECTION_LABELS)

    def _report_data(self, tally: Tally, judgment: Judgment | None) -> ReportData:
        """What the report shows."""
        reference, scores = judgment or (None, {})
        return ReportData(
            title=" → ".join(Path(label).name for label in self._labels()),
            t1=self.t1_rgb,
            t2=self.t2_rgb,
            score=tally.overview.array,
            threshold=self.threshold,
            threshold_rule=self.rule,
            pixel_area=self._pixel_area(tally),
            full_shape=self.grid.shape,
            levels=tally.levels,
            convergence=self.history,
            settings={
                name: ", ".join(map(str, value)) if isinstance(value, list | tuple) else value
                for name, value in self.record.get("settings", {}).items()
            },
            stages=[(stage.name, stage.seconds, stage.peak_mib) for stage in self.stages.done],
            warnings=self.record.get("warnings", ()),
            reference=None if reference is None else tally.reduced(reference),
            scores=scores,
        )

    def _pixel_area(self, tally: Tally) -> float | None:
        """Square meters of a pixel: of the changed ones on average, where there are any."""
        changed = int(tally.changed.sum())
        if not changed or not self.grid.has_areas:
            return self.grid.pixel_area
        return float(self.polygons["area_m2"].sum()) / changed

    def _labels(self) -> list[str]:
        return [str(self.record["inputs"][date]["path"]) for date in ("t1", "t2")]

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


def direction_of(
    change: Bool[np.ndarray, "row col"],
    valid: Bool[np.ndarray, "row col"],
    lean: Float32[np.ndarray, "row col"],
) -> UInt8[np.ndarray, "row col"]:
    """0 no change, 1 appeared, 2 disappeared, 255 nodata."""
    ways = np.where(lean >= 0, style.APPEARED, style.DISAPPEARED)
    classes = np.where(valid, np.where(change, ways, style.NO_CHANGE), style.NODATA)
    return classes.astype(np.uint8)


def _classes(change: Bool[np.ndarray, "row col"], valid: Bool[np.ndarray, "row col"]) -> np.ndarray:
    """The change map as written: 0 no change, 1 change, 255 nodata."""
    classes = np.where(change, style.CHANGE, style.NO_CHANGE)
    return np.where(valid, classes, style.NODATA).astype(np.uint8)
