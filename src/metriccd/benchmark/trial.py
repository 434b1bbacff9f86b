"""Judgment: a method on a pair, run as `detect` runs it, against what the reference knows."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool

from metriccd.accuracy import Confusion, Ranking, Scores
from metriccd.decision import Cleaning, decide
from metriccd.methods import METHODS, SUPERVISED, Options, Preset, with_checkpoint
from metriccd.pair import Block
from metriccd.raster import Grid, Window
from metriccd.scene import Difference
from metriccd.stages import Stages, reset_peak
from metriccd.supervised import about_checkpoint


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What is judged: a method with its settings, and the rules to decide by.

    Attributes:
        name: What people call it.
        preset: The method and its settings.
        rules: Threshold rules, or fixed scores; the preset's own by default.
    """

    name: str
    preset: Preset
    rules: tuple[str | float, ...] = ()

    def __post_init__(self) -> None:
        if not self.rules:
            object.__setattr__(self, "rules", (self.preset.threshold,))


@dataclass(frozen=True, kw_only=True)
class Decided:
    """A threshold rule on what a method measured.

    Attributes:
        level: The threshold it found on the difference image; None where it took several bands,
            which it separates by a plane.
        change: The change map.
        confusion: The map against the reference.
        seconds: Time of the rule.
        warnings: What the user should know, a line each.
    """

    level: float | None
    change: Bool[np.ndarray, "row col"] = field(repr=False)
    confusion: Confusion
    seconds: float
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A method on a pair.

    Attributes:
        ranking: Of its difference image over the judged pixels.
        rules: Name of a threshold rule → what it decided.
        seconds: Time of the difference image, without reading and thresholds.
        peak_mib: Peak resident memory of the process meanwhile, in MiB, with the images and all
            else that it held.
        peak_alone: False where the system cannot tell it from the peak of what ran before.
        warnings: What the user should know, a line each.
    """

    ranking: Ranking = field(repr=False)
    rules: Mapping[str, Decided]
    seconds: float
    peak_mib: float
    peak_alone: bool
    warnings: tuple[str, ...] = ()

    def scores(self, rule: str) -> Scores:
        """The figures of the change map by a threshold rule."""
        return Scores.of(self.rules[rule].confusion, self.ranking)


@dataclass(frozen=True, kw_only=True)
class Judge:
    """What every method on a pair is held against.

    Attributes:
        changed: Reference, True = change.
        judged: True where both images are valid and the reference is known.
        grid: Of the pair.
    """

    changed: Bool[np.ndarray, "row col"] = field(repr=False)
    judged: Bool[np.ndarray, "row col"] = field(repr=False)
    grid: Grid

    def measure(self, entry: Entry, block: Block, options: Options, stages: Stages) -> Measured:
        """Runs a method on a pair and counts the errors of each rule.

        Args:
            entry: The method and the rules to decide by.
            block: The whole pair.
            options: What the method is told, see `options_of`.
            stages: Records the time of the method under the entry's name.
        """
        alone = reset_peak()
        with stages.stage(entry.name):
            difference = METHODS[entry.preset.method](*block, options=options)
        cost, ranking = stages.done[-1], Ranking()
        ranking.update(difference.image, self.changed, self.judged)
        return Measured(
            ranking=ranking,
            rules={
                rule_name(rule): self._decide(difference, block, entry, rule, options.seed)
                for rule in entry.rules
            },
            seconds=cost.seconds,
            peak_mib=cost.peak_mib,
            peak_alone=alone,
            warnings=difference.warnings,
        )

    def _decide(
        self, difference: Difference, block: Block, entry: Entry, rule: str | float, seed: int
    ) -> Decided:
        start = time.perf_counter()
        decision = decide(
            difference, block.valid, rule, automatic=entry.preset.threshold, seed=seed
        )
        score = np.where(block.valid, decision.score, np.float32(np.nan))
        found = score > decision.verdict.threshold
        # As `detect` does unless it is told otherwise: what is judged is what it writes.
        cleaned, _ = Cleaning().clean(
            lambda window: (found[window.slices], score[window.slices]), self.grid
        )
        change, _ = cleaned(Window.whole(self.grid.shape))
        seconds = time.perf_counter() - start
        return Decided(
            level=decision.verdict.level,
            change=change,
            confusion=Confusion.from_maps(change, self.changed, self.judged),
            seconds=seconds,
            warnings=(*decision.warnings, *decision.verdict.warnings),
        )


def rule_name(rule: str | float) -> str:
    """What tables call a rule; a fixed score by its value."""
    return rule if isinstance(rule, str) else f"{rule:g}"


def with_checkpoints(entries: Sequence[Entry], checkpoints: Sequence[str | Path]) -> list[Entry]:
    """Entries of which each supervised one has the checkpoint that was trained as it.

    Args:
        entries: Methods and presets.
        checkpoints: Files of `metriccd train`, at most one a method.

    Raises:
        WeightsError: One is not there, or is no checkpoint.
        ValueError: A supervised method has none, or one has no method that was asked for.
    """
    files: dict[str, str] = {}
    for path in checkpoints:
        method = about_checkpoint(Path(path)).method
        if method in files:
            raise ValueError(f"a method has one checkpoint: got two of {method}; leave one out")
        files[method] = str(path)
    asked = {entry.preset.method for entry in entries}
    for method, path in files.items():
        if method not in asked:
            raise ValueError(f"{path} is a checkpoint of {method}: name it among the methods, too")
    return [
        replace(entry, preset=with_checkpoint(entry.preset, files.get(entry.preset.method)))
        if entry.preset.method in SUPERVISED
        else entry
        for entry in entries
    ]
