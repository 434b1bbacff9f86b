"""The result of a detection as arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import geopandas as gpd
import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from metriccd.kinds import shown
from metriccd.raster import Grid, Window
from metriccd.result import pictures
from metriccd.result.dataset import to_dataset
from metriccd.result.folder import output_folder
from metriccd.result.result import Judgment, Result, direction_of
from metriccd.result.tally import Tally
from metriccd.stages import Stages


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
        kinds: Kind of each changed pixel, 0 elsewhere, 255 where not valid; docs/kinds.md names
            them.
        lean: Which way a pixel changed, if it did: > 0 what appeared in t2, < 0 what disappeared
            from t1; None where the method does not tell.
        t1_rgb: First image for display (red, green, blue), in [0, 1], NaN where not valid; an
            overview of at most 1400 pixels a side.
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
    kinds: UInt8[np.ndarray, "row col"] | None = field(default=None, repr=False)
    lean: Float32[np.ndarray, "row col"] | None = field(default=None, repr=False)
    t1_rgb: Float[np.ndarray, "3 _row _col"] = field(repr=False)
    t2_rgb: Float[np.ndarray, "3 _row _col"] = field(repr=False)
    history: Mapping[str, tuple[float, ...]] = field(default_factory=dict, repr=False)
    record: Mapping[str, Any] = field(default_factory=dict, repr=False)
    stages: Stages = field(default_factory=Stages, repr=False)

    @classmethod
    def of(cls, result: Result) -> Change:
        """A result that is read by windows, as arrays."""
        window = Window.whole(result.grid.shape)
        change, score = result.read(window)
        kept = {part.name: getattr(result, part.name) for part in fields(result)}
        del kept["read"]
        kept["lean"] = None if result.lean is None else result.lean(window)
        kept["kinds"] = None if result.kinds is None else shown(result.kinds(window), change)
        return cls(score=score, map=change, valid=~np.isnan(score), **kept)

    @property
    def direction(self) -> UInt8[np.ndarray, "row col"] | None:
        """0 no change, 1 appeared, 2 disappeared, 255 not valid; None where nobody can tell."""
        return None if self.lean is None else direction_of(self.map, self.valid, self.lean)

    def polygons(self) -> gpd.GeoDataFrame:
        """One polygon an object: `id`, `area_m2`, `score_mean`, `score_max`, `kind`."""
        return self._result.polygons.copy()

    def summary(self) -> dict[str, Any]:
        """The result in numbers: share, area, objects, threshold, warnings."""
        return self._result.summary(self._tally())

    def plot(self, axes: Axes | None = None) -> Axes:
        """Draws the change, outlined and tinted, on the second image."""
        ax = axes if axes is not None else Figure(layout="constrained").subplots()
        change = self._tally().reduced(self.map)
        ax.imshow(np.moveaxis(pictures.overlay(self.t2_rgb, change), 0, -1))
        ax.set_axis_off()
        ax.set_title(f"{self.map.sum() / max(self.valid.sum(), 1):.2%} changed")
        return ax

    def to_xarray(self) -> Any:
        """The result as an xarray Dataset: `score` and `change`, on centers of pixels.

        With the CRS as rioxarray and GDAL read it; rotated grids have it, and no coordinates.

        Raises:
            ImportError: xarray is not installed.
        """
        return to_dataset(self.score, self.map, self.grid)

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
        self._result.write(folder, name=name, judgment=judgment)

    @cached_property
    def _result(self) -> Result:
        return Result(
            read=self._read,
            threshold=self.threshold,
            rule=self.rule,
            grid=self.grid,
            kinds=None if self.kinds is None else self._read_kinds,
            lean=None if self.lean is None else self._read_lean,
            t1_rgb=self.t1_rgb,
            t2_rgb=self.t2_rgb,
            history=self.history,
            record=self.record,
            stages=self.stages,
        )

    def _read(
        self, window: Window
    ) -> tuple[Bool[np.ndarray, "row col"], Float32[np.ndarray, "row col"]]:
        return self.map[window.slices], self.score[window.slices]

    def _read_lean(self, window: Window) -> Float32[np.ndarray, "row col"]:
        return cast("Float32[np.ndarray, 'row col']", self.lean)[window.slices]

    def _read_kinds(self, window: Window) -> UInt8[np.ndarray, "row col"]:
        return cast("UInt8[np.ndarray, 'row col']", self.kinds)[window.slices]

    def _tally(self) -> Tally:
        tally = Tally.of(self.grid.shape, self.threshold)
        tally.add(Window.whole(self.grid.shape), self.map, self.score)
        return tally
