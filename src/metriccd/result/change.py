"""The result of a detection as arrays."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any, Literal, cast

import geopandas as gpd
import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Float32, UInt8
from matplotlib.axes import Axes

from metriccd.decision import Connectivity
from metriccd.kinds import shown
from metriccd.output import output_folder
from metriccd.raster import Grid, Window
from metriccd.report import CHANGE_RGB, method_of, overlay, thumbnail, to_uint8
from metriccd.result.archive import Archive, cleaning_of, decided, products_of
from metriccd.result.layers import Products
from metriccd.result.maps import Place, add_legend, add_score, amount, dated, pixels_of, seen
from metriccd.result.rasters import direction_of, to_dataset
from metriccd.result.result import Result
from metriccd.result.tally import Census, Tally
from metriccd.stages import Stages

# What a map of a result may show.
SHOWN = ("change", "score", "t1", "t2")


@dataclass(frozen=True, kw_only=True, repr=False)
class Change:
    """What changed between two images.

    Attributes:
        score: Change score in [0, 1], larger = more change; NaN where not valid.
        map: True = change; False where not valid.
        valid: True where both images could be compared.
        threshold: A score above it is change.
        rule: What chose the threshold, for example "otsu" or "fixed".
        grid: Where the pixels lie.
        potential: Kind of every pixel, as if it had changed; 255 where not valid.
        grouped: Cluster of every pixel, likewise; `record["clusters"]` says what they are.
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
    potential: UInt8[np.ndarray, "row col"] | None = field(default=None, repr=False)
    grouped: UInt8[np.ndarray, "row col"] | None = field(default=None, repr=False)
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
        del kept["read"], kept["kinds"], kept["clusters"]
        kept["lean"] = None if result.lean is None else result.lean(window)
        kept["potential"] = None if result.kinds is None else result.kinds(window)
        kept["grouped"] = None if result.clusters is None else result.clusters(window)
        return cls(score=score, map=change, valid=~np.isnan(score), **kept)

    @property
    def kinds(self) -> UInt8[np.ndarray, "row col"] | None:
        """Kind of each changed pixel, 0 elsewhere, 255 not valid; docs/kinds.md names them."""
        return None if self.potential is None else shown(self.potential, self.map)

    @property
    def clusters(self) -> UInt8[np.ndarray, "row col"] | None:
        """Cluster of each changed pixel, from 1; 0 elsewhere, 255 not valid.

        `record["clusters"]` has the bands that went up or down and the mean spectra of each.
        """
        return None if self.grouped is None else shown(self.grouped, self.map)

    @property
    def direction(self) -> UInt8[np.ndarray, "row col"] | None:
        """0 no change, 1 appeared, 2 disappeared, 255 not valid; None where nobody can tell."""
        return None if self.lean is None else direction_of(self.map, self.valid, self.lean)

    @property
    def dates(self) -> tuple[np.datetime64, np.datetime64]:
        """When the images were taken, UTC; NaT where nothing tells."""
        return self._result.dates

    def polygons(self) -> gpd.GeoDataFrame:
        """One polygon for each change object, largest first.

        Columns `id`, `area_m2`, `perimeter_m`, `pixels`, `score_mean`, `score_max`, `strength`,
        `compactness`, `kind`, `cluster`, `date_before`, `date_after`, `method`, `threshold`
        (docs/outputs.md).
        """
        return self._result.polygons.copy()

    def objects(self) -> pd.DataFrame:
        """The table of the change objects without their outlines."""
        table = self._result.polygons
        return pd.DataFrame(table.drop(columns=table.geometry.name))

    def decided(
        self,
        threshold: str | float,
        *,
        min_area: float | None = None,
        min_pixels: int | Literal["auto"] | None = None,
        fill_holes: int | None = None,
        connectivity: Connectivity | None = None,
        kinds: str | Sequence[str] | None = None,
    ) -> Change:
        """The same score with another threshold, as `detect` gives it, without a new fit.

        Args:
            threshold: "auto" (the method's own rule), a rule by name, or a score between 0 and 1.
            min_area: Change objects of fewer square meters are dropped.
            min_pixels: Change objects of fewer pixels are dropped; "auto": of fewer than chance
                alone would connect.
            fill_holes: Holes of at most that many pixels, within objects, become change.
            connectivity: 4: pixels that share an edge are one object; 8: an edge or a corner.
            kinds: Kinds of change that count, such as "!seasonal"; () for all.

        What is not given, None, stays as it was.

        Raises:
            DataError: The rule cannot decide on this score.
            GridError: Areas are asked for and unknown.
            ValueError: There is no such rule, or the score does not lie in [0, 1].
        """
        cleaning = cleaning_of(self.record).with_asked(
            min_pixels=min_pixels,
            min_area=min_area,
            fill_holes=fill_holes,
            connectivity=connectivity,
        )
        return Change.of(decided(self._result, threshold, cleaning, kinds))

    def summary(self) -> dict[str, Any]:
        """The result in numbers: share, area, objects, threshold, warnings."""
        return self._result.summary(*self._tally().pixels)

    def plot(
        self,
        ax: Axes | None = None,
        *,
        show: str = "change",
        coordinates: bool = True,
        scale_bar: bool = True,
        legend: bool = True,
    ) -> Axes:
        """Draws a map for print: dates, coordinates of the CRS, scale bar and legend.

        Pixels without data are transparent, and no setting of matplotlib is changed.

        Args:
            ax: Where to; by default a new figure of pyplot, which a notebook shows.
            show: "change": outlined and tinted on the second image; "score", with its threshold;
                "t1" or "t2": an image.
            coordinates: Label the axes.
            scale_bar: Draw one, in meters where they are known, otherwise in pixels.
            legend: Name the color of change and its area, or the colors of the score.

        Raises:
            ValueError: Something else is to be shown.
        """
        if show not in SHOWN:
            raise ValueError(f"a map shows {', '.join(SHOWN)}: got {show!r}; choose one of them")
        place = Place(grid=self.grid)
        drawn = place.axes(ax, beside=0.9 if show == "score" and legend else 0.0)
        told = {"coordinates": coordinates, "scale_bar": scale_bar}
        before, after = self.dates
        if show == "score":
            add_score(drawn, place, self.score, self.threshold, bar=legend, **told)
            drawn.set_title(dated("Change score", before, after), loc="left")
            return drawn
        if show == "change":
            place.draw(drawn, pixels_of(self._picture(), seen(self.t2_rgb)), **told)
            drawn.set_title(dated("Change", before, after), loc="left")
            if legend:
                census = Census.of(self.map.astype(np.uint8), self.grid)
                area = float(census.area[1]) if self.grid.has_areas else None
                size = amount(int(census.pixels[1]), area)
                add_legend(drawn, {f"change: {self._share:.2%}, {size}": CHANGE_RGB})
            return drawn
        image, name, date = {
            "t1": (self.t1_rgb, "Before", before),
            "t2": (self.t2_rgb, "After", after),
        }[show]
        place.draw(drawn, pixels_of(to_uint8(image), seen(image)), **told)
        drawn.set_title(dated(name, date), loc="left")
        return drawn

    def to_xarray(self) -> Any:
        """The result as an xarray Dataset: `score` and `change`, on centers of pixels.

        With the CRS as rioxarray and GDAL read it; rotated grids have it, and no coordinates.

        Raises:
            ImportError: xarray is not installed.
        """
        return to_dataset(self.score, self.map, self.grid)

    def __repr__(self) -> str:
        method = method_of(self.record)
        by = f", {method}" if method else ""
        rows, cols = self.grid.shape
        return (
            f"<Change: {self._share:.2%} of {self.valid.sum():,} valid pixels{by}, "
            f"threshold {self.threshold:.4g} ({self.rule}), {rows:,} × {cols:,} pixels>"
        )

    def _repr_html_(self) -> str:
        """What a notebook shows: the change on the second image, and the result in numbers."""
        summary = self.summary()
        area = summary["area_m2"]
        rows = {
            "changed": f"{self._share:.2%}" + ("" if area is None else f" ({area / 1e4:,.1f} ha)"),
            "objects": f"{summary['objects']:,}",
            "threshold": f"{self.threshold:.4g} ({self.rule})",
            "method": method_of(self.record),
            "pixels": " × ".join(f"{side:,}" for side in self.grid.shape),
            **{f"warning {n}": line for n, line in enumerate(summary["warnings"], start=1)},
        }
        cells = "".join(
            f"<tr><th style='text-align: left'>{escape(name)}</th>"
            f"<td style='text-align: left'>{escape(value)}</td></tr>"
            for name, value in rows.items()
        )
        picture = b64encode(thumbnail(self._picture())).decode("ascii")
        return (
            f"<div><img alt='change on the second image' style='max-width: 480px' "
            f"src='data:image/png;base64,{picture}'><table>{cells}</table></div>"
        )

    @property
    def _share(self) -> float:
        """Changed share of the valid pixels."""
        return float(self.map.sum() / max(self.valid.sum(), 1))

    def _picture(self) -> UInt8[np.ndarray, "3 _row _col"]:
        """The change, outlined and tinted, on the second image."""
        return overlay(self.t2_rgb, self._tally().reduced(self.map))

    def save(
        self,
        out: str | Path,
        *,
        vector: Sequence[str] | None = None,
        simplify: str | float | None = None,
        zones: str | Path | None = None,
        overwrite: bool = False,
    ) -> Path:
        """Writes rasters, polygons, styles, a QGIS project, report, pictures and the records.

        Args:
            out: Folder, which appears whole or not at all.
            vector: Formats of the polygons: "gpkg" and any of "geojson", "parquet", "fgb".
            simplify: How far outlines may move: in pixels, or text such as "10m".
            zones: Polygons in a file, for a table of what changed in each.
            overwrite: Replace an earlier result there.

        Of a result that was opened, what is not given stays as it was.

        Raises:
            OutputError: `out` exists, or cannot be written.
            DataError: Zones cannot be read, or a format or a unit cannot be had.
            ValueError: There is no such format, or `simplify` is no length.
        """
        target = Path(out)
        products = products_of(self.record).with_asked(
            vector=vector, simplify=simplify, zones=zones
        )
        read = (*self.record.get("inputs", {}).values(), *self.record.get("masks", ()))
        inputs = [file["path"] for each in read for file in each["files"]]
        inputs += [] if products.zones is None else [products.zones]
        with output_folder(target, overwrite=overwrite, inputs=inputs) as folder:
            self.write(folder, name=target.resolve().name, products=products)
        return target

    def write(
        self,
        folder: Path,
        *,
        name: str,
        products: Products | None = None,
    ) -> None:
        """Writes all files of a result into an existing folder.

        Args:
            folder: Where to.
            name: Id of the STAC item.
            products: What to write of the polygons.

        Raises:
            OutputError: The files cannot be written, for want of space or permission.
        """
        self._result.write(folder, name=name, products=products)

    @cached_property
    def _result(self) -> Result:
        return Result(
            read=self._read,
            threshold=self.threshold,
            rule=self.rule,
            grid=self.grid,
            kinds=None if self.potential is None else self._read_kinds,
            clusters=None if self.grouped is None else self._read_clusters,
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
        return cast("UInt8[np.ndarray, 'row col']", self.potential)[window.slices]

    def _read_clusters(self, window: Window) -> UInt8[np.ndarray, "row col"]:
        return cast("UInt8[np.ndarray, 'row col']", self.grouped)[window.slices]

    def _tally(self) -> Tally:
        tally = Tally.of(self.grid.shape, self.threshold)
        tally.add(Window.whole(self.grid.shape), self.map, self.score)
        return tally


def open_change(out: str | Path) -> Change:
    """Opens a result that `detect` wrote.

    Args:
        out: Its folder.

    Raises:
        DataError: The folder holds no result, or one of another version.
    """
    with Archive.of(Path(out)).opened() as result:
        return Change.of(result)
