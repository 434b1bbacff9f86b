"""Detection: two images in, what changed between them out.

A request → a pair on one grid → a method fitted on it → the scene measured → a decision → a result.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32

from metriccd.check import Checkup, check_up
from metriccd.decision import (
    BLOCK,
    Scale,
    Verdict,
    decide,
    judge,
    rules,
    takes_all,
)
from metriccd.detection.request import Request
from metriccd.kinds import BY_EVIDENCE, map_pair, wanted_kinds
from metriccd.methods import (
    METHODS,
    Options,
    Preset,
    WindowedMethod,
    choose_preset,
    options_of,
    settings_of,
)
from metriccd.pair import Block, ImagePair, colors_of, coregistered
from metriccd.raster import Window
from metriccd.result import (
    Result,
    decision_record,
    inputs_of,
    key_of,
    stretched,
    versions,
)
from metriccd.scene import (
    Difference,
    Fitted,
    Memory,
    Workspace,
    block_means,
    factor_of,
    scan,
)
from metriccd.stages import Stages


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
