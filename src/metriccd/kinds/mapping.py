"""A pass over a scene that says of every pixel what kind of change it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float32, UInt8

from metriccd.kinds.asked import Wanted, wanted_kinds
from metriccd.kinds.legend import NODATA, NONE
from metriccd.kinds.roles import roles_of
from metriccd.kinds.rules import HALO, KindRules
from metriccd.pair import Block, ImagePair, Source
from metriccd.raster import Window
from metriccd.scene import Layer, Workspace, representative, tiles
from metriccd.stages import Stages

SIZE = 1024
# The rule of a score that is evidence.
BY_EVIDENCE = "otsu of e"


@dataclass(frozen=True, kw_only=True)
class KindMap:
    """The kinds of a scene, read by windows.

    Attributes:
        rules: What they were found with.
        wanted: Those that count as change; None: all.
        labels: Kind of every pixel, as if it had changed; `NODATA` where it is not valid.
        strength: Score by the evidence for the kinds asked for; None where the method's counts.
    """

    rules: KindRules
    wanted: Wanted | None
    labels: Layer = field(repr=False)
    strength: Layer | None = field(default=None, repr=False)

    def read(self, window: Window) -> UInt8[np.ndarray, "row col"]:
        """The kind of every pixel of a window."""
        return self.labels.read(window).astype(np.uint8)

    def decided(
        self,
        window: Window,
        score: Float32[np.ndarray, "row col"],
        threshold: float,
    ) -> tuple[Bool[np.ndarray, "row col"], Float32[np.ndarray, "row col"]]:
        """Change map and score of the kinds asked for.

        Pixels of other kinds are no change. Their score stays, unless evidence takes its place.
        """
        if self.wanted is None:
            return score > threshold, score
        if self.strength is not None:
            valid, score = ~np.isnan(score), self.strength.read(window)
            score[~valid] = np.nan
        return (score > threshold) & np.isin(self.read(window), self.wanted.values), score

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should know, a line each."""
        if self.wanted is None or not self.rules.weak:
            return ()
        return ("kinds: without a near infrared band they rest on plain colors, and are weak",)

    def told(self, threshold: float, rule: str, measure: str) -> tuple[float, str, str]:
        """Threshold, its rule and what the score is, where evidence takes the score's place."""
        if self.strength is None:
            return threshold, rule, measure
        measure = "e / (e + t), e the evidence for the kinds asked for, t its threshold"
        return (threshold, rule, measure) if rule == "fixed" else (0.5, BY_EVIDENCE, measure)

    def facts(self) -> dict[str, float]:
        """The thresholds, for the record."""
        facts = {"kinds: brightness shared": self.rules.brightness[0]}
        if self.rules.green is not None:
            facts["kinds: green above"] = self.rules.green
        if self.rules.softness is not None:
            facts["kinds: water gained above"], facts["kinds: water lost above"] = self.rules.water
        return {name: round(value, 4) for name, value in facts.items()}


def map_pair(
    pair: ImagePair, asked: str | Sequence[str], workspace: Workspace, *, seed: int, stages: Stages
) -> KindMap:
    """The kind of every pixel of a pair, its bands known by their names, see `map_kinds`."""
    roles, wanted = roles_of(pair.t1, pair.rgb), wanted_kinds(asked)
    return map_kinds(pair.blocks(), roles, workspace, wanted=wanted, seed=seed, stages=stages)


def map_kinds(
    source: Source,
    roles: Mapping[str, int],
    workspace: Workspace,
    *,
    wanted: Wanted | None = None,
    seed: int = 0,
    stages: Stages | None = None,
) -> KindMap:
    """Finds the kind of every pixel, tile by tile.

    Args:
        source: The pair.
        roles: Role → position of its band.
        workspace: Where to keep the result.
        wanted: The kinds asked for.
        seed: Of the parts that thresholds are found on.
        stages: Records time and reports progress.

    Raises:
        DataError: The bands do not show a kind that is asked for.
    """
    rules = KindRules.of(representative(source, seed=seed), roles)
    by_evidence = wanted is not None and wanted.by_evidence
    if wanted is not None:
        wanted.require(rules.seen)
    labels = workspace.layer("kind", source.shape)
    strength = workspace.layer("strength", source.shape) if by_evidence else None
    parts = list(tiles(source.shape, size=SIZE, halo=HALO))
    with (stages or Stages()).stage("kinds", len(parts)) as advance, source.reader() as read:
        for tile in parts:
            block = read(tile.padded)
            labels.write(tile.core, rules.label(block)[tile.inner].astype(np.float32))
            if strength is not None and wanted is not None:
                strength.write(tile.core, _strength(rules, block, wanted)[tile.inner])
            advance(1)
    return KindMap(rules=rules, wanted=wanted, labels=labels, strength=strength)


def _strength(rules: KindRules, block: Block, wanted: Wanted) -> Float32[np.ndarray, "row col"]:
    """Evidence as a score: e / (e + t), t the threshold of the rule, of the strongest kind."""
    scores = []
    for name in sorted(wanted.names):
        found, level = rules.evidence(block, name)
        found = np.maximum(found, 0)
        scores.append(found / (found + np.float32(level)))
    strongest: Float32[np.ndarray, "row col"] = np.max(scores, axis=0)
    return np.where(block.valid, strongest, np.nan).astype(np.float32)


def shown(
    labels: UInt8[np.ndarray, "row col"], change: Bool[np.ndarray, "row col"]
) -> UInt8[np.ndarray, "row col"]:
    """What `kind.tif` holds: the kind of changed pixels, 0 elsewhere, `NODATA`."""
    return np.where(change | (labels == NODATA), labels, NONE).astype(np.uint8)
