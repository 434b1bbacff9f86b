"""Detection: two images in, what changed between them out.

A request → a pair on one grid → a method fitted on it → the scene measured → a decision → a result.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float32
from torch import nn

from metriccd.decision import (
    decide,
    level_by,
    measure_of,
    require_areas,
    rules,
    score_of,
    takes_all,
    without_small,
)
from metriccd.kinds import map_pair, shown, wanted_kinds
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
from metriccd.pair import BandNames, Block, Dates, ImagePair, colors_of
from metriccd.raster import Image, Nodata, Window, bounded_cache
from metriccd.request import Request
from metriccd.result import (
    Change,
    Result,
    code_digest,
    identity_of,
    inputs_of,
    state_of,
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
    nodata: Nodata = None,
    band_names: BandNames | None = None,
    dates: Dates | None = None,
    axes: str | None = None,
    direction: Direction = "both",
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
        masks: One or more rasters whose non-zero pixels are left out.
        nodata: Value of missing pixels, instead of what the files declare; "none" if none are.
        band_names: Names of all bands of an image that does not name them.
        dates: When the images were taken, two ISO 8601 dates, instead of what their names tell.
        axes: Order of the axes of NumPy arrays, such as "row,col,band".
        direction: Of change: "both", "appeared" (in t2) or "disappeared" (from t1); of methods that
            do not tell them apart, "both" only.
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
    request = Request(
        t1=t1,
        t2=t2,
        preset=preset,
        method=method,
        bands=bands,
        rgb=rgb,
        masks=masks,
        nodata=nodata,
        band_names=band_names,
        dates=dates,
        axes=axes,
        direction=direction,
        threshold=threshold,
        min_area=min_area,
        min_pixels=min_pixels,
        kinds=kinds,
        extractor=extractor,
        device=device,
        seed=seed,
        progress=progress,
    )
    result = Detection.of(request).run(Memory())
    window = Window.whole(result.grid.shape)
    change, score = result.read(window)
    return Change(
        score=score,
        map=change,
        valid=~np.isnan(score),
        kinds=None if result.kinds is None else shown(result.kinds(window), change),
        **{
            part.name: getattr(result, part.name)
            for part in fields(result)
            if part.name not in {"read", "kinds"}
        },
    )


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
    nodata: Nodata = None,
    band_names: BandNames | None = None,
    dates: Dates | None = None,
    axes: str | None = None,
    direction: Direction = "both",
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
        masks: Rasters whose non-zero pixels are left out.
        nodata: Value of missing pixels.
        band_names: Names of all bands.
        dates: When the images were taken.
        axes: Order of the axes of NumPy arrays.
        direction: Of change.
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
    request = Request(
        t1=t1,
        t2=t2,
        preset=preset,
        method=method,
        bands=bands,
        rgb=rgb,
        masks=masks,
        nodata=nodata,
        band_names=band_names,
        dates=dates,
        axes=axes,
        direction=direction,
        threshold=threshold,
        min_area=min_area,
        min_pixels=min_pixels,
        kinds=kinds,
        extractor=extractor,
        device=device,
        seed=seed,
        progress=progress,
    )
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
    """

    request: Request
    pair: ImagePair
    preset: Preset
    options: Options

    @classmethod
    def of(cls, request: Request) -> Detection:
        """Opens the images and chooses the method.

        Raises:
            DataError: An image cannot be read.
            GridError: The images share no grid, or a smallest area is asked for where areas are
                unknown.
            ValueError: No such preset, method, rule or device.
        """
        pair = request.opened()
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
            stages=Stages(request.progress),
        )
        return cls(request=request, pair=pair, preset=preset, options=options)

    def key(self) -> str:
        """What an interrupted run must have in common with this one to be gone on with."""
        # Sums are rounded otherwise by another number of threads.
        software = (versions(), code_digest(), torch.get_num_threads())
        images = [identity_of(raster) for raster in (self.pair.t1, self.pair.t2, *self.pair.masks)]
        weights = state_of(self.options.extractor)
        key = (self._settings(), str(self.pair.grid), images, weights, *software)
        return hashlib.sha256(repr(key).encode()).hexdigest()

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
            threshold=0.5 if by_rule else float(wanted),
            rule=rule if by_rule else "fixed",
            measure=measure_of(level, rule),
            workspace=workspace,
            overviews=(scanned.t1_rgb, scanned.t2_rgb),
            history=fitted.history,
            facts=fitted.facts,
            warnings=(*fitted.warnings, *warnings),
        )

    def _whole(self, measure: Callable[[Block], Difference]) -> Result:
        stages = self.options.stages
        block = self.pair.load(stages)
        difference = measure(block)
        decision = decide(
            difference,
            block.valid,
            self.request.threshold,
            automatic=self.preset.threshold,
            seed=self.options.seed,
        )
        factor = factor_of(block.valid.shape)
        t1_rgb, t2_rgb = (
            block_means(colors_of(image, self.pair.rgb), block.valid, factor)
            for image in (block.t1, block.t2)
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
        overviews: tuple[Float32[np.ndarray, "3 row col"], Float32[np.ndarray, "3 row col"]],
        history: Mapping[str, tuple[float, ...]],
        facts: Mapping[str, float],
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
            t1_rgb=stretched(overviews[0]),
            t2_rgb=stretched(overviews[1]),
            history=history,
            record={
                **inputs_of(self.pair, stages),
                "settings": {**self._settings(), "rule": rule, "score": measure, **facts}
                | kinds.facts(),
                "threshold": {"value": threshold, "rule": rule, "label_free": True},
                "warnings": [*self.pair.warnings, *warnings, *kinds.warnings],
                "versions": versions(),
            },
            stages=stages,
        )

    def _settings(self) -> dict[str, Any]:
        settings = settings_of(self.request.preset, self.preset, self.options, self.pair)
        return settings | {
            "nodata": self.pair.t1.nodata,
            "asked threshold": self.request.threshold,
            "min_area": self.request.min_area,
            "min_pixels": self.request.min_pixels,
            "kinds": self.request.kinds,
        }
