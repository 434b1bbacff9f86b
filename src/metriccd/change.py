"""The result of a detection: arrays, and the files made from them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from metriccd import figures, style
from metriccd.errors import OutputError
from metriccd.folder import RECORD, output_folder
from metriccd.polygons import change_polygons, write_polygons
from metriccd.raster import CogLayer, Grid, cog_writer
from metriccd.report import ReportData, preview, render
from metriccd.stac import stac_item
from metriccd.stages import Stages

WRITE_SIZE = 2048
# Each date is stretched between these percentiles for display.
DISPLAY_PERCENTILES = (2, 98)

# A reference (True = change) and figures against it: name → value and what it was chosen with.
Judgment = tuple[Bool[np.ndarray, "row col"], Mapping[str, tuple[float, str]]]


@dataclass(frozen=True, kw_only=True)
class Change:
    """What changed between two images.

    Attributes:
        score: Change score in [0, 1], larger = more change; NaN where not valid.
        map: True = change; False where not valid.
        valid: True where both images could be compared.
        threshold: A score above it is change.
        rule: What chose the threshold, for example "otsu" or "fixed".
        grid: Where the pixels lie.
        t1_rgb: First image for display (red, green, blue), in [0, 1], NaN where not valid.
        t2_rgb: Second image, likewise.
        history: Curves of the fit, step by step; empty where nothing was fitted.
        record: Inputs, settings, versions and warnings, as written to `run.json`.
        stages: Time and memory of each stage.
    """

    score: Float32[np.ndarray, "row col"]
    map: Bool[np.ndarray, "row col"]
    valid: Bool[np.ndarray, "row col"]
    threshold: float
    rule: str
    grid: Grid
    t1_rgb: Float[np.ndarray, "3 row col"] = field(repr=False)
    t2_rgb: Float[np.ndarray, "3 row col"] = field(repr=False)
    history: Mapping[str, tuple[float, ...]] = field(default_factory=dict, repr=False)
    record: Mapping[str, Any] = field(default_factory=dict, repr=False)
    stages: Stages = field(default_factory=Stages, repr=False)

    def polygons(self) -> gpd.GeoDataFrame:
        """One polygon for each change object: `id`, `area_m2`, `score_mean`, `score_max`."""
        return self._polygons.copy()

    @cached_property
    def _polygons(self) -> gpd.GeoDataFrame:
        return change_polygons(self.map, self.score, self.grid)

    def summary(self) -> dict[str, Any]:
        """The result in numbers: share, area, objects, threshold, warnings."""
        areas = self.grid.pixel_areas()
        per_row = self.map.sum(axis=1)
        return {
            "changed_pixels": int(per_row.sum()),
            "valid_pixels": int(self.valid.sum()),
            "changed_share": float(per_row.sum() / max(int(self.valid.sum()), 1)),
            "area_m2": None if areas is None else float(per_row @ areas),
            "objects": len(self._polygons),
            "threshold": self.threshold,
            "rule": self.rule,
            "warnings": list(self.record.get("warnings", ())),
        }

    def plot(self, axes: Axes | None = None) -> Axes:
        """Draws the change, outlined and tinted, on the second image."""
        drawn = axes if axes is not None else Figure(layout="constrained").subplots()
        drawn.imshow(np.moveaxis(figures.overlay(self.t2_rgb, self.map), 0, -1))
        drawn.set_axis_off()
        drawn.set_title(f"{self.map.sum() / max(self.valid.sum(), 1):.2%} changed")
        return drawn

    def save(self, out: str | Path, *, overwrite: bool = False) -> Path:
        """Writes score.tif, change.tif, change.gpkg, report.html, preview.png and the records.

        Args:
            out: Folder, which appears whole or not at all.
            overwrite: Replace an earlier result there.

        Raises:
            OutputError: `out` exists, or cannot be written.
        """
        target = Path(out)
        inputs = [
            file["path"]
            for date in self.record.get("inputs", {}).values()
            for file in date["files"]
        ]
        with output_folder(target, overwrite=overwrite, inputs=inputs) as folder:
            self.write(folder, name=target.resolve().name)
        return target

    def write(self, folder: Path, *, name: str, judgment: Judgment | None = None) -> None:
        """Writes all files of a result into an existing folder.

        Args:
            folder: Where to.
            name: Id of the STAC item.
            judgment: A reference and the figures against it, for the report to show.

        Raises:
            OutputError: The files cannot be written, for want of space or permission.
        """
        try:
            self._write(folder, name, judgment)
        except OSError as error:
            raise OutputError(
                f"OUT must be writable: {error}; free space, or choose another folder"
            ) from error

    def report_data(self, judgment: Judgment | None = None) -> ReportData:
        """What the report shows of this result."""
        areas = self.grid.pixel_areas()
        # Small objects that were removed stay removed when the page applies the threshold.
        kept = np.where(self.map, self.score, np.minimum(self.score, np.float32(self.threshold)))
        reference, scores = judgment or (None, {})
        return ReportData(
            title=" → ".join(Path(label).name for label in self._labels()),
            t1=self.t1_rgb,
            t2=self.t2_rgb,
            score=kept,
            threshold=self.threshold,
            threshold_rule=self.rule,
            pixel_area=None if areas is None else float(areas.mean()),
            full_shape=self.grid.shape,
            convergence=self.history,
            settings={
                name: ", ".join(map(str, value)) if isinstance(value, list | tuple) else value
                for name, value in self.record.get("settings", {}).items()
            },
            stages=[(stage.name, stage.seconds, stage.peak_mib) for stage in self.stages.done],
            warnings=self.record.get("warnings", ()),
            reference=reference,
            scores=scores,
        )

    def _write(self, folder: Path, name: str, judgment: Judgment | None) -> None:
        created = datetime.now(UTC)
        with self.stages.stage("write", 5) as advance:
            self._write_raster(folder / "score.tif", self.score, _SCORE_LAYER)
            advance(1)
            self._write_raster(folder / "change.tif", self._classes(), _CHANGE_LAYER)
            (folder / "change.qml").write_text(style.qml())
            advance(1)
            write_polygons(self._polygons, folder / "change.gpkg")
            advance(1)
            item = stac_item(name, self.grid, created=created, sources=self._source_names())
            (folder / "item.json").write_text(json.dumps(item, indent=2))
            data = self.report_data(judgment)
            (folder / "preview.png").write_bytes(preview(data))
            advance(1)
            (folder / "report.html").write_text(render(data), encoding="utf-8")
        record = dict(self.record) | {"created": created.isoformat(), "stages": self._stage_rows()}
        (folder / RECORD).write_text(json.dumps(record, indent=2))

    def _classes(self) -> UInt8[np.ndarray, "row col"]:
        """The change map as written: 0 no change, 1 change, 255 nodata."""
        classes = np.where(self.map, style.CHANGE, style.NO_CHANGE)
        return np.where(self.valid, classes, style.NODATA).astype(np.uint8)

    def _labels(self) -> list[str]:
        return [str(self.record["inputs"][date]["path"]) for date in ("t1", "t2")]

    def _source_names(self) -> list[list[str]]:
        inputs = self.record["inputs"]
        return [
            [Path(file["path"]).name for file in inputs[date]["files"]] for date in ("t1", "t2")
        ]

    def _stage_rows(self) -> list[dict[str, Any]]:
        return [
            {
                "name": stage.name,
                "seconds": round(stage.seconds, 3),
                "peak_mib": round(stage.peak_mib, 1),
            }
            for stage in self.stages.done
        ]

    def _write_raster(self, path: Path, pixels: np.ndarray, layer: CogLayer) -> None:
        with cog_writer(path, self.grid, layer) as write:
            for window in self.grid.windows(WRITE_SIZE):
                write(window, pixels[np.newaxis, *window.slices])


def display(
    image: Float[np.ndarray, "band row col"],
    valid: Bool[np.ndarray, "row col"],
    rgb: tuple[int, int, int],
) -> Float[np.ndarray, "3 row col"]:
    """Red, green and blue of an image, stretched between percentiles; NaN where not valid."""
    last = len(image) - 1
    shown = image[[min(band, last) for band in rgb]]
    low, high = np.percentile(shown[:, valid], DISPLAY_PERCENTILES, axis=1)
    span = np.where(high > low, high - low, 1)
    stretched = (shown - low[:, None, None]) / span[:, None, None]
    return np.where(valid, np.clip(stretched, 0, 1), np.nan).astype(np.float32)


_SCORE_LAYER = CogLayer(dtype="float32", nodata=float("nan"), bands=("score",), overviews="average")
_CHANGE_LAYER = CogLayer(
    dtype="uint8",
    nodata=style.NODATA,
    bands=("change",),
    overviews="mode",
    colors=style.COLORS,
)
