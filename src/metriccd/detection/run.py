"""Detection: two images in, what changed between them out.

A request → a pair on one grid → a method fitted on it → the scene measured → a decision → a result.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32

from metriccd.check import Checkup, Cost, check_up, costs
from metriccd.decision import (
    BLOCK,
    Scale,
    Verdict,
    decide,
    judge,
    rules,
    takes_all,
)
from metriccd.detection.inputs import Inputs
from metriccd.detection.request import Request
from metriccd.kinds import BY_EVIDENCE, KindMap, map_pair, wanted_kinds
from metriccd.methods import (
    METHODS,
    SUPERVISED,
    Options,
    Preset,
    WindowedMethod,
    choose_preset,
    options_of,
    settings_of,
    with_checkpoint,
)
from metriccd.pair import Block, ImagePair, Registration, colors_of, coregistered
from metriccd.raster import Window
from metriccd.report import Stretch
from metriccd.result import (
    Result,
    decision_record,
    software,
    versions,
)
from metriccd.scene import (
    FIT,
    Difference,
    Fitted,
    Pass,
    Scan,
    Workspace,
    block_means,
    factor_of,
    finished,
)
from metriccd.stages import Stages

Score = Callable[[Window], Float32[np.ndarray, "row col"]]


@dataclass(frozen=True, kw_only=True)
class Detection:
    """A request on the images that it names: pair → fitted method → scanned scene → decision.

    Attributes:
        request: What is asked for.
        pair: The images, as they came.
        preset: The preset with the method that is asked for.
        options: What the method is told.
        checked: What the pair was like.
        inputs: What it is made of.
    """

    request: Request
    pair: ImagePair
    preset: Preset
    options: Options
    checked: Checkup
    inputs: Inputs

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
        preset = with_checkpoint(
            choose_preset(request.preset, request.method, request.threshold, request.direction),
            request.checkpoint,
        )
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
        return cls(
            request=request,
            pair=pair,
            preset=preset,
            options=options,
            checked=checked,
            inputs=Inputs.of(pair, options.extractor, options.checkpoint),
        )

    def key(self) -> str:
        """What an interrupted run must have in common with this one to be gone on with."""
        self.inputs.read(self.options.stages)
        content = self.inputs.content(self.pair, self.options.extractor)
        # Masks are part of the content, wherever they lie.
        settings = {name: value for name, value in self._settings().items() if name != "masks"}
        made_of = (settings, str(self.pair.grid), content, *software(self.options.device))
        return hashlib.sha256(repr(made_of).encode()).hexdigest()

    def cost(self) -> Cost | None:
        """What it takes on this machine, where that is known: of presets as they are."""
        named = {cost.preset: cost for cost in costs(self.pair.grid.shape, len(self.pair.t1.bands))}
        return named.get(self.request.preset) if self.request.method is None else None

    def run(self, workspace: Workspace) -> Result:
        """Measures the pair, and decides what is change."""
        return finished(self.passes(workspace), self.options.stages)

    def passes(self, workspace: Workspace) -> Generator[Pass, None, Result]:
        """The same with whoever does the passes over the scene: the caller, or many processes.

        Yields a pass, and goes on when all of its tiles are done.
        """
        self.inputs.read(self.options.stages)
        return (yield from self._placed(workspace)._measured(workspace))

    def _placed(self, workspace: Workspace) -> Detection:
        """With t2 moved onto t1, where that is asked for and makes them more alike."""
        mode, stages = self.request.coregister, self.options.stages

        def find() -> tuple[Registration | None, tuple[str, ...]]:
            moved = coregistered(self.pair, mode, stages)
            return moved.registration, moved.notes

        if mode is None:
            return self
        registration, notes = workspace.keep("registration", find)
        return replace(self, pair=replace(self.pair, registration=registration, notes=notes))

    def _measured(self, workspace: Workspace) -> Generator[Pass, None, Result]:
        method, options = METHODS[self.preset.method], self.options

        def measure(block: Block) -> Difference:
            return method(*block, options=options)

        if not isinstance(method, WindowedMethod):
            return (yield from self._whole(measure, workspace))
        resumed = workspace.holds(FIT)
        fitted = workspace.keep(FIT, partial(self._fit, method), method.network_of(options))
        _, rule = rules(self.request.threshold, self.preset.threshold, fitted.components)
        if takes_all(rule, fitted.components):
            fit = partial(method.measured, fitted=fitted, options=options)
            return (yield from self._whole(fit, workspace))
        scan = Scan.of(self.pair.blocks(), fitted, workspace, rgb=self.pair.rgb)
        if resumed:
            count = len(scan.work.tiles)
            options.stages.resume(count - len(scan.work.remaining), count)
        return (yield from self._windowed(fitted, scan, workspace))

    def _fit(self, method: WindowedMethod) -> Fitted:
        self.pair.check(self.options.stages)
        return method.fit(self.pair.blocks(), self.options)

    def _windowed(
        self, fitted: Fitted, scan: Scan, workspace: Workspace
    ) -> Generator[Pass, None, Result]:
        yield scan.work
        self.pair.recall(workspace.seen)
        scale, verdict, warnings = workspace.keep("decision", partial(self._decision, scan, fitted))

        def score(window: Window) -> Float32[np.ndarray, "row col"]:
            return scale.score(scan.distance.read(window))

        kinds = yield from self._kinds(score, workspace)
        return self._result(
            score,
            kinds,
            workspace,
            lean=None if scan.lean is None else scan.lean.read,
            scale=scale,
            verdict=verdict,
            overviews=(scan.t1_rgb, scan.t2_rgb),
            history=fitted.history,
            facts=fitted.facts,
            warnings=(*fitted.warnings, *warnings),
        )

    def _decision(self, scan: Scan, fitted: Fitted) -> tuple[Scale, Verdict, tuple[str, ...]]:
        """What a distance is as a score, the threshold on it, and what to say of both."""
        wanted, rule = rules(self.request.threshold, self.preset.threshold, fitted.components)
        if fitted.probability:
            return self._of_probability(scan, wanted)
        histogram = scan.histogram(self.options.stages, squared=rule == "chi2")
        scale, warnings = Scale.by(
            rule,
            histogram,
            floor=fitted.floor,
            chi2_dof=fitted.chi2_dof,
            components=fitted.components,
        )

        def score(window: Window) -> Float32[np.ndarray, "row col"]:
            return scale.score(scan.distance.read(window))

        verdict = judge(scale, wanted, score, self.pair.grid.windows(BLOCK))
        return scale, verdict, warnings

    def _of_probability(
        self, scan: Scan, wanted: str | float
    ) -> tuple[Scale, Verdict, tuple[str, ...]]:
        """The same where it is a probability: it is its own score."""
        scale = Scale.of_probability()
        windows = self.pair.grid.windows(BLOCK)
        return scale, judge(scale, wanted, scan.distance.read, windows), ()

    def _whole(
        self, measure: Callable[[Block], Difference], workspace: Workspace
    ) -> Generator[Pass, None, Result]:
        if self.preset.method == "metric" and not workspace.holds("difference"):
            cost = self.cost()
            if cost is not None:
                self.options.stages.expect(cost.seconds, cost.mib)
        block = self.pair.load(self.options.stages)
        difference = workspace.keep("difference", partial(measure, block))
        valid, rgb = block.valid, self.pair.rgb
        wanted, own, seed = self.request.threshold, self.preset.threshold, self.options.seed
        decision = decide(difference, valid, wanted, automatic=own, seed=seed)
        factor = factor_of(valid.shape)
        t1_rgb, t2_rgb = (
            block_means(colors_of(image, rgb), valid, factor) for image in (block.t1, block.t2)
        )

        def score(window: Window) -> Float32[np.ndarray, "row col"]:
            return decision.score[window.slices]

        kinds = yield from self._kinds(score, workspace)
        return self._result(
            score,
            kinds,
            workspace,
            scale=decision.scale,
            verdict=decision.verdict,
            overviews=(t1_rgb, t2_rgb),
            history=difference.history,
            facts=difference.facts,
            warnings=(*difference.warnings, *decision.warnings),
        )

    def _kinds(self, score: Score, workspace: Workspace) -> Generator[Pass, None, KindMap]:
        """What kind of change every pixel is, if it changed."""
        seed, stages = self.options.seed, self.options.stages
        return map_pair(
            self.pair, self.request.kinds, workspace, score=score, seed=seed, stages=stages
        )

    def _result(
        self,
        score: Score,
        kinds: KindMap,
        workspace: Workspace,
        *,
        scale: Scale,
        verdict: Verdict,
        lean: Score | None = None,
        overviews: tuple[Float32[np.ndarray, "3 row col"], Float32[np.ndarray, "3 row col"]],
        history: Mapping[str, tuple[float, ...]],
        facts: Mapping[str, float],
        warnings: Sequence[str],
    ) -> Result:
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
        cleaned, least = self.request.cleaning.clean(read, self.pair.grid, workspace=workspace)
        stretch = Stretch.of(*overviews)
        supervised = self.preset.method in SUPERVISED
        return Result(
            read=cleaned,
            threshold=threshold,
            rule=verdict.rule,
            grid=self.pair.grid,
            kinds=kinds.read,
            clusters=None if kinds.clusters is None else kinds.read_members,
            lean=lean,
            t1_rgb=stretch.applied(overviews[0], 0),
            t2_rgb=stretch.applied(overviews[1], 1),
            history=history,
            record={
                **self.inputs.record(self.pair),
                "settings": self._settings() | said | dict(facts) | kinds.facts(),
                **decision_record(
                    scale, verdict, self.request.cleaning, least, supervised=supervised
                ),
                "automatic": self.preset.threshold if kinds.strength is None else BY_EVIDENCE,
                "clusters": kinds.record([band.name for band in self.pair.t1.bands]),
                "history": {name: list(curve) for name, curve in history.items()},
                "check": self.checked.as_dict() | self.pair.moved,
                "display": stretch.record(),
                "warnings": [*self.checked.left(self.pair), *self.pair.warnings, *notes],
                "versions": versions(),
            },
            stages=self.options.stages,
        )

    def _settings(self) -> dict[str, Any]:
        settings = settings_of(self.request.preset, self.preset, self.options, self.pair)
        return settings | self.request.settings | self.pair.settings
