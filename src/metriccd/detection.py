"""Detection: two images in, what changed between them out.

A request → a pair on one grid → a method fitted on it → the scene measured → a decision → a result.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32
from torch import nn

from metriccd.check import Checkup, check_up
from metriccd.decision import (
    certainty,
    decide,
    level_by,
    measure_of,
    require_areas,
    rules,
    score_of,
    takes_all,
    without_small,
)
from metriccd.kinds import map_pair, wanted_kinds
from metriccd.methods import (
    METHODS,
    Direction,
    Options,
    Preset,
    WindowedMethod,
    choose_preset,
    options_of,
    settings_of,
)
from metriccd.pair import BandNames, Block, Dates, ImagePair, colors_of, coregistered
from metriccd.raster import Image, Nodata, Window, bounded_cache
from metriccd.request import Request
from metriccd.result import (
    Change,
    Result,
    inputs_of,
    key_of,
    stretched,
    unfinished_folder,
    versions,
)
from metriccd.scene import (
    Difference,
    Files,
    Fitted,
    Memory,
    Workspace,
    block_means,
    factor_of,
    scan,
)
from metriccd.stages import Progress, Stages


def detect(
    t1: Image,
    t2: Image,
    *,
    preset: str = "default",
    method: str | None = None,
    bands: BandNames | None = None,
    rgb: BandNames | None = None,
    masks: Image | Sequence[Image] = (),
    mask_dilate: int = 0,
    nodata: Nodata = None,
    band_names: BandNames | None = None,
    dates: Dates | None = None,
    axes: str | None = None,
    direction: Direction = "both",
    bbox: str | Sequence[float] | None = None,
    bbox_crs: str | None = None,
    aoi: Image | None = None,
    coregister: str | None = None,
    offset: str | float = "auto",
    assets: BandNames | None = None,
    clouds: str | None = None,
    threshold: str | float = "auto",
    min_area: float = 0.0,
    min_pixels: int = 0,
    kinds: str | Sequence[str] = (),
    extractor: str | nn.Module | None = None,
    device: str = "auto",
    seed: int = 0,
    progress: Progress | None = None,
) -> Change:
    """Finds what changed between two images of one place, without labels.

    Args:
        t1: First image: a path, an array (band, row, col) or an xarray DataArray. The result
            is on its grid.
        t2: Second image, likewise; resampled to t1's grid where it lies on another.
        preset: "default", "fast", "paper" or "released".
        method: A key of `METHODS` instead of the preset's.
        bands: Bands to compare, by number, name or description.
        rgb: Which of them are red, green and blue.
        masks: What is left out: rasters where they are not zero, vector files, or classes as
            text: "scl.tif:SCL", "QA_PIXEL=cloud,shadow" (docs/masks.md).
        mask_dilate: Pixels by which masks grow.
        nodata: Value of missing pixels, instead of what the files declare; "none" if none are.
        band_names: Names of all bands of an image that does not name them.
        dates: When the images were taken, two ISO 8601 dates, instead of what their names tell.
        axes: Order of the axes of NumPy arrays, such as "row,col,band".
        direction: Of change: "both", "appeared" (in t2) or "disappeared" (from t1); of methods that
            do not tell them apart, "both" only.
        bbox: West, south, east, north of the part to compare, in t1's CRS.
        bbox_crs: Another CRS that the box is in, such as "EPSG:4326".
        aoi: Vector file of polygons; nothing outside is compared.
        coregister: "global" removes a shift between the dates, "local" a smooth field of shifts
            too, where that makes them more alike (docs/coregistration.md).
        offset: Added to the values of Sentinel-2: "auto" (from baseline 04.00 on −1000, as the
            product's metadata or name tell), or a number.
        assets: t1 and t2 are STAC items: keys or common names of the assets to compare.
        clouds: "auto" leaves out clouds and shadows (extra `clouds`).
        threshold: "auto" (the preset's rule), a rule by name, or a score between 0 and 1.
        min_area: Change objects of fewer square meters are dropped.
        min_pixels: Change objects of fewer pixels are dropped.
        kinds: Kinds of change that count, such as "water-gained,built", or "!seasonal" for all
            but one; see docs/kinds.md.
        extractor: "embedded", "vgg16", a weights file, or a module.
        device: "auto", "cpu", "cuda" or "mps".
        seed: Same seed, same machine: same result.
        progress: Called with (stage, done, total) as work goes on.

    Raises:
        DataError: An image cannot be read or compared.
        GridError: The images share no grid.
        WeightsError: The extractor's weights are not at hand.
        ValueError: No such preset, method or rule.
    """
    # All that was said, and nothing else, is local here.
    request = Request(**locals())
    return Change.of(Detection.of(request).run(Memory()))


def detect_into(
    out: str | Path,
    t1: Image,
    t2: Image,
    *,
    preset: str = "default",
    method: str | None = None,
    bands: BandNames | None = None,
    rgb: BandNames | None = None,
    masks: Image | Sequence[Image] = (),
    mask_dilate: int = 0,
    nodata: Nodata = None,
    band_names: BandNames | None = None,
    dates: Dates | None = None,
    axes: str | None = None,
    direction: Direction = "both",
    bbox: str | Sequence[float] | None = None,
    bbox_crs: str | None = None,
    aoi: Image | None = None,
    coregister: str | None = None,
    offset: str | float = "auto",
    assets: BandNames | None = None,
    clouds: str | None = None,
    threshold: str | float = "auto",
    min_area: float = 0.0,
    min_pixels: int = 0,
    kinds: str | Sequence[str] = (),
    extractor: str | nn.Module | None = None,
    device: str = "auto",
    seed: int = 0,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """The same for images of any size: the result goes to files, and memory does not grow with it.

    What `Change.save` writes is written. Methods that need the whole pair at once ("metric",
    "closed_form", "deep_cva", and the rules "adaptive" and "kmeans" on several bands) take memory
    for it nevertheless.

    After an interrupt the tiles that are finished are kept beside `out`, and the same call goes on
    with the rest; the result is that of a run that was not interrupted.

    Args:
        out: Folder, which appears whole or not at all.
        t1: As of `detect`, and so are all but the last ones.
        t2: Second image.
        preset: Name of a preset.
        method: Another method.
        bands: Bands to compare.
        rgb: Which of them are red, green and blue.
        masks: What is left out.
        mask_dilate: Pixels by which masks grow.
        nodata: Value of missing pixels.
        band_names: Names of all bands.
        dates: When the images were taken.
        axes: Order of the axes of NumPy arrays.
        direction: Of change.
        bbox: Part to compare.
        bbox_crs: CRS of the box.
        aoi: Polygons to compare within.
        coregister: Shift to remove.
        offset: Added to the values of Sentinel-2.
        assets: Of STAC items.
        clouds: "auto" leaves out clouds.
        threshold: "auto", a rule, or a score.
        min_area: Change objects of fewer square meters are dropped.
        min_pixels: Change objects of fewer pixels are dropped.
        kinds: Kinds of change that count.
        extractor: Feature extractor.
        device: Where to compute.
        seed: Of everything random.
        overwrite: Replace an earlier result there.
        progress: Called with (stage, done, total) as work goes on.

    Returns:
        The result in numbers: share, area, objects, threshold, warnings.

    Raises:
        OutputError: `out` exists, or cannot be written.
    """
    said = {name: value for name, value in locals().items() if name not in {"out", "overwrite"}}
    request = Request(**said)
    target = Path(out)
    with (
        bounded_cache(),
        unfinished_folder(target, overwrite=overwrite, inputs=request.files) as partial,
    ):
        detection = Detection.of(request)
        result = detection.run(Files(partial.work(detection.key())))
        return result.write(partial.folder, name=target.resolve().name)


@dataclass(frozen=True, kw_only=True)
class Detection:
    """A request on the images that it names: pair → fitted method → scanned scene → decision.

    Attributes:
        request: What is asked for.
        pair: The images.
        preset: The preset with the method that is asked for.
        options: What the method is told.
        checked: What the pair was like before t2 was moved.
    """

    request: Request
    pair: ImagePair
    preset: Preset
    options: Options
    checked: Checkup

    @classmethod
    def of(cls, request: Request) -> Detection:
        """Opens the images and chooses the method.

        Raises:
            DataError: An image cannot be read.
            GridError: The images share no grid, or a smallest area is asked for where areas are
                unknown.
            ValueError: No such preset, method, rule or device.
        """
        stages = Stages(request.progress)
        pair = request.opened(stages)
        checked = check_up(pair, stages)
        pair = coregistered(pair, request.coregister, stages)
        preset = choose_preset(request.preset, request.method, request.threshold, request.direction)
        wanted_kinds(request.kinds)
        if request.min_area > 0:
            require_areas(pair.grid)
        options = options_of(
            preset,
            pair,
            request.extractor,
            device=request.device,
            seed=request.seed,
            stages=stages,
        )
        return cls(request=request, pair=pair, preset=preset, options=options, checked=checked)

    def key(self) -> str:
        """What an interrupted run must have in common with this one to be gone on with."""
        return key_of(self._settings(), self.pair, self.options.extractor)

    def run(self, workspace: Workspace) -> Result:
        """Measures the pair, and decides what is change."""
        method = METHODS[self.preset.method]
        if not isinstance(method, WindowedMethod):
            return self._whole(lambda block: method(*block, options=self.options))
        self.pair.check(self.options.stages)
        fitted = method.fit(self.pair.blocks(), self.options)
        _, rule = rules(self.request.threshold, self.preset.threshold)
        if takes_all(rule, fitted.components):
            return self._whole(lambda block: method.measured(block, fitted, self.options))
        return self._windowed(fitted, workspace)

    def _windowed(self, fitted: Fitted, workspace: Workspace) -> Result:
        stages = self.options.stages
        wanted, rule = rules(self.request.threshold, self.preset.threshold)
        scanned = scan(self.pair.blocks(), fitted, workspace, rgb=self.pair.rgb, stages=stages)
        histogram = scanned.histogram(stages, squared=rule == "chi2")
        level, warnings = level_by(rule, histogram, floor=fitted.floor, chi2_dof=fitted.chi2_dof)
        by_rule = isinstance(wanted, str)
        return self._result(
            lambda window: score_of(scanned.distance.read(window), level),
            lean=None if scanned.lean is None else scanned.lean.read,
            threshold=0.5 if by_rule else float(wanted),
            rule=rule if by_rule else "fixed",
            measure=measure_of(level, rule),
            workspace=workspace,
            overviews=(scanned.t1_rgb, scanned.t2_rgb),
            history=fitted.history,
            facts={**fitted.facts, "certainty": certainty(rule, histogram)},
            warnings=(*fitted.warnings, *warnings),
        )

    def _whole(self, measure: Callable[[Block], Difference]) -> Result:
        stages = self.options.stages
        block = self.pair.load(stages)
        difference = measure(block)
        valid, rgb = block.valid, self.pair.rgb
        asked, automatic = self.request.threshold, self.preset.threshold
        decision = decide(difference, valid, asked, automatic=automatic, seed=self.options.seed)
        factor = factor_of(valid.shape)
        t1_rgb, t2_rgb = (
            block_means(colors_of(image, rgb), valid, factor) for image in (block.t1, block.t2)
        )
        return self._result(
            lambda window: decision.score[window.slices],
            threshold=decision.threshold,
            rule=decision.rule,
            measure=decision.measure,
            workspace=Memory(),
            overviews=(t1_rgb, t2_rgb),
            history=difference.history,
            facts=difference.facts,
            warnings=(*difference.warnings, *decision.warnings),
        )

    def _result(
        self,
        score: Callable[[Window], Float32[np.ndarray, "row col"]],
        *,
        threshold: float,
        rule: str,
        measure: str,
        workspace: Workspace,
        lean: Callable[[Window], Float32[np.ndarray, "row col"]] | None = None,
        overviews: tuple[Float32[np.ndarray, "3 row col"], Float32[np.ndarray, "3 row col"]],
        history: Mapping[str, tuple[float, ...]],
        facts: Mapping[str, object],
        warnings: Sequence[str],
    ) -> Result:
        stages = self.options.stages
        seed, asked = self.options.seed, self.request.kinds
        kinds = map_pair(self.pair, asked, workspace, seed=seed, stages=stages)
        threshold, rule, measure = kinds.told(threshold, rule, measure)

        def read(
            window: Window,
        ) -> tuple[Bool[np.ndarray, "row col"], Float32[np.ndarray, "row col"]]:
            return kinds.decided(window, score(window), threshold)

        area, pixels = self.request.min_area, self.request.min_pixels
        small = area > 0 or pixels > 1
        return Result(
            read=without_small(read, self.pair.grid, area, min_pixels=pixels) if small else read,
            threshold=threshold,
            rule=rule,
            grid=self.pair.grid,
            kinds=kinds.read,
            lean=lean,
            t1_rgb=stretched(overviews[0]),
            t2_rgb=stretched(overviews[1]),
            history=history,
            record={
                **inputs_of(self.pair, stages),
                "settings": {**self._settings(), "rule": rule, "score": measure, **facts}
                | kinds.facts(),
                "threshold": {"value": threshold, "rule": rule, "label_free": True},
                "check": self.checked.as_dict() | self.pair.moved,
                "warnings": [
                    *self.checked.left(self.pair),
                    *self.pair.warnings,
                    *warnings,
                    *kinds.warnings,
                ],
                "versions": versions(),
            },
            stages=stages,
        )

    def _settings(self) -> dict[str, Any]:
        settings = settings_of(self.request.preset, self.preset, self.options, self.pair)
        return settings | self.request.settings | self.pair.settings
