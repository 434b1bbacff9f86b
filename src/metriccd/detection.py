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
    BLOCK,
    Connectivity,
    Scale,
    Verdict,
    decide,
    judge,
    rules,
    takes_all,
)
from metriccd.kinds import BY_EVIDENCE, map_pair, wanted_kinds
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
    Products,
    Result,
    decision_record,
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
    min_pixels: int | None = None,
    fill_holes: int = 0,
    connectivity: Connectivity = 4,
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
        min_pixels: Change objects of fewer pixels are dropped; None: of fewer than chance alone
            would connect somewhere in the scene, 3 to 16 as a rule.
        fill_holes: Holes of at most that many pixels, within objects, become change.
        connectivity: 4: pixels that share an edge are one object; 8: an edge or a corner.
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
    min_pixels: int | None = None,
    fill_holes: int = 0,
    connectivity: Connectivity = 4,
    kinds: str | Sequence[str] = (),
    extractor: str | nn.Module | None = None,
    device: str = "auto",
    seed: int = 0,
    vector: Sequence[str] = ("gpkg",),
    simplify: str | float = 0.0,
    zones: str | Path | None = None,
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
        fill_holes: Holes of at most that many pixels become change.
        connectivity: Of objects: 4 or 8.
        kinds: Kinds of change that count.
        extractor: Feature extractor.
        device: Where to compute.
        seed: Of everything random.
        vector: Formats of the polygons: "gpkg" and any of "geojson", "parquet", "fgb".
        simplify: How far outlines may move: in pixels, or text such as "10m".
        zones: Polygons in a file, for a table of what changed in each.
        overwrite: Replace an earlier result there.
        progress: Called with (stage, done, total) as work goes on.

    Returns:
        The result in numbers: share, area, objects, threshold, warnings.

    Raises:
        OutputError: `out` exists, or cannot be written.
    """
    own = ("own", "out", "vector", "simplify", "zones", "overwrite")
    request = Request(**{name: said for name, said in locals().items() if name not in own})
    target, products = Path(out), Products.of(vector=vector, simplify=simplify, zones=zones)
    with (
        bounded_cache(),
        unfinished_folder(target, overwrite=overwrite, inputs=request.files) as partial,
    ):
        detection = Detection.of(request)
        products.check(detection.pair.grid)
        result = detection.run(Files(partial.work(detection.key())))
        return result.write(partial.folder, name=target.resolve().name, products=products)


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
        request.cleaning.require(pair.grid)
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
        _, rule = rules(self.request.threshold, self.preset.threshold, fitted.components)
        if takes_all(rule, fitted.components):
            return self._whole(lambda block: method.measured(block, fitted, self.options))
        return self._windowed(fitted, workspace)

    def _windowed(self, fitted: Fitted, workspace: Workspace) -> Result:
        stages = self.options.stages
        wanted, rule = rules(self.request.threshold, self.preset.threshold, fitted.components)
        scanned = scan(self.pair.blocks(), fitted, workspace, rgb=self.pair.rgb, stages=stages)
        histogram = scanned.histogram(stages, squared=rule == "chi2")
        scale, warnings = Scale.by(
            rule,
            histogram,
            floor=fitted.floor,
            chi2_dof=fitted.chi2_dof,
            components=fitted.components,
        )

        def score(window: Window) -> Float32[np.ndarray, "row col"]:
            return scale.score(scanned.distance.read(window))

        return self._result(
            score,
            lean=None if scanned.lean is None else scanned.lean.read,
            scale=scale,
            verdict=judge(scale, wanted, score, self.pair.grid.windows(BLOCK)),
            workspace=workspace,
            overviews=(scanned.t1_rgb, scanned.t2_rgb),
            history=fitted.history,
            facts=fitted.facts,
            warnings=(*fitted.warnings, *warnings),
        )

    def _whole(self, measure: Callable[[Block], Difference]) -> Result:
        block = self.pair.load(self.options.stages)
        difference = measure(block)
        valid, rgb = block.valid, self.pair.rgb
        wanted, own, seed = self.request.threshold, self.preset.threshold, self.options.seed
        decision = decide(difference, valid, wanted, automatic=own, seed=seed)
        factor = factor_of(valid.shape)
        t1_rgb, t2_rgb = (
            block_means(colors_of(image, rgb), valid, factor) for image in (block.t1, block.t2)
        )
        return self._result(
            lambda window: decision.score[window.slices],
            scale=decision.scale,
            verdict=decision.verdict,
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
        scale: Scale,
        verdict: Verdict,
        workspace: Workspace,
        lean: Callable[[Window], Float32[np.ndarray, "row col"]] | None = None,
        overviews: tuple[Float32[np.ndarray, "3 row col"], Float32[np.ndarray, "3 row col"]],
        history: Mapping[str, tuple[float, ...]],
        facts: Mapping[str, float],
        warnings: Sequence[str],
    ) -> Result:
        stages, seed, asked = self.options.stages, self.options.seed, self.request.kinds
        kinds = map_pair(self.pair, asked, workspace, score=score, seed=seed, stages=stages)
        if kinds.strength is not None:
            # Evidence took the place of the score: only its own threshold, or a number, fits it.
            value, rule, words = kinds.told(verdict.threshold, verdict.rule, scale.words)
            scale = Scale(kind="rank", rule=BY_EVIDENCE, words=words)
            verdict = Verdict(threshold=value, rule=rule)
        threshold, notes = verdict.threshold, (*warnings, *kinds.warnings, *verdict.warnings)

        def read(
            window: Window,
        ) -> tuple[Bool[np.ndarray, "row col"], Float32[np.ndarray, "row col"]]:
            return kinds.decided(window, score(window), threshold)

        said = {"score": scale.words, "certainty": verdict.certainty}
        cleaned, least = self.request.cleaning.clean(read, self.pair.grid)
        return Result(
            read=cleaned,
            threshold=threshold,
            rule=verdict.rule,
            grid=self.pair.grid,
            kinds=kinds.read,
            clusters=None if kinds.clusters is None else kinds.read_members,
            lean=lean,
            t1_rgb=stretched(overviews[0]),
            t2_rgb=stretched(overviews[1]),
            history=history,
            record={
                **inputs_of(self.pair, stages),
                "settings": self._settings() | said | dict(facts) | kinds.facts(),
                **decision_record(scale, verdict, self.request.cleaning, least),
                "automatic": self.preset.threshold if kinds.strength is None else BY_EVIDENCE,
                "clusters": kinds.record([band.name for band in self.pair.t1.bands]),
                "history": {name: list(curve) for name, curve in history.items()},
                "check": self.checked.as_dict() | self.pair.moved,
                "warnings": [*self.checked.left(self.pair), *self.pair.warnings, *notes],
                "versions": versions(),
            },
            stages=stages,
        )

    def _settings(self) -> dict[str, Any]:
        settings = settings_of(self.request.preset, self.preset, self.options, self.pair)
        return settings | self.request.settings | self.pair.settings
