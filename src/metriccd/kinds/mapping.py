"""Passes over a scene that say of every pixel what kind of change it is."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, UInt8

from metriccd.kinds.asked import Wanted, wanted_kinds
from metriccd.kinds.clusters import OWN, Clusters, changed_pixels
from metriccd.kinds.evidence import SIZE, Score, Strength
from metriccd.kinds.legend import NODATA, NONE
from metriccd.kinds.roles import roles_of
from metriccd.kinds.rules import HALO, KindRules
from metriccd.pair import Block, ImagePair, Source
from metriccd.raster import Window
from metriccd.scene import Layer, Pass, Tile, Workspace, representative, tiles
from metriccd.stages import Stages

# The rule of a score that is evidence.
BY_EVIDENCE = "otsu of E"


@dataclass(frozen=True, kw_only=True)
class KindMap:
    """The kinds of a scene, read by windows.

    Attributes:
        rules: What they were found with.
        wanted: Those that count as change; None: all.
        labels: Kind of every pixel, as if it had changed; `NODATA` where it is not valid.
        strength: Evidence for the kinds asked for, as a score; None where the method's counts.
        clusters: Kinds that no rule names; None where nobody looked, or nothing changed.
        members: Cluster of every pixel, likewise.
    """

    rules: KindRules
    wanted: Wanted | None
    labels: Layer = field(repr=False)
    strength: Strength | None = None
    clusters: Clusters | None = None
    members: Layer | None = field(default=None, repr=False)

    def read(self, window: Window) -> UInt8[np.ndarray, "row col"]:
        """The kind of every pixel of a window."""
        return self.labels.read(window).astype(np.uint8)

    def read_members(self, window: Window) -> UInt8[np.ndarray, "row col"]:
        """The cluster of every pixel of a window; there must be clusters."""
        assert self.members is not None
        return self.members.read(window).astype(np.uint8)

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
        measure = "E / (E + t), E the evidence for the kinds asked for, t its threshold"
        return (threshold, rule, measure) if rule == "fixed" else (0.5, BY_EVIDENCE, measure)

    def record(self, bands: Sequence[str]) -> list[dict[str, Any]]:
        """What is known of each cluster, see `Clusters.record`; empty where there are none."""
        return [] if self.clusters is None else self.clusters.record(bands)

    def facts(self) -> dict[str, float]:
        """The thresholds, for the record."""
        facts = {"kinds: brightness shared": self.rules.brightness[0]}
        if self.rules.green is not None:
            facts["kinds: green above"] = self.rules.green
        if self.rules.softness is not None:
            facts["kinds: water gained above"], facts["kinds: water lost above"] = self.rules.water
        if self.strength is not None:
            facts["kinds: evidence above"] = self.strength.level
        if self.clusters is not None:
            # The last number of clusters that both halves of the sample agreed on.
            facts["clusters: agreement"] = self.clusters.agreement
        return {name: round(value, 4) for name, value in facts.items()}


def require_kinds(pair: ImagePair, asked: str | Sequence[str], *, seed: int) -> None:
    """Refuses kinds that the bands of a pair do not show, before anything is measured.

    Raises:
        DataError: There is one.
    """
    wanted = wanted_kinds(asked)
    if wanted is not None:
        parts = representative(pair.blocks(), seed=seed)
        wanted.require(KindRules.of(parts, roles_of(pair.t1, pair.rgb)).seen)


def map_pair(
    pair: ImagePair,
    asked: str | Sequence[str],
    workspace: Workspace,
    *,
    score: Score | None = None,
    seed: int,
    stages: Stages,
) -> Generator[Pass, None, KindMap]:
    """The kind of every pixel of a pair, its bands known by their names, see `map_kinds`."""
    return map_kinds(
        pair.blocks(),
        roles_of(pair.t1, pair.rgb),
        workspace,
        wanted=wanted_kinds(asked),
        score=score,
        seed=seed,
        stages=stages,
    )


def map_kinds(
    source: Source,
    roles: Mapping[str, int],
    workspace: Workspace,
    *,
    wanted: Wanted | None = None,
    score: Score | None = None,
    seed: int = 0,
    stages: Stages | None = None,
) -> Generator[Pass, None, KindMap]:
    """Finds the kind and the cluster of every pixel, tile by tile: passes, and what comes of them.

    Args:
        source: The pair.
        roles: Role → position of its band.
        workspace: Where to keep the result.
        wanted: The kinds asked for.
        score: Of the method, whose own threshold is 0.5; without it there are no clusters.
        seed: Of the parts that thresholds and clusters are found on.
        stages: Records time and reports progress.

    Raises:
        DataError: The bands do not show a kind that is asked for.
    """
    stages = stages or Stages()
    with stages.stage("rules"):
        rules = workspace.keep(
            "rules", lambda: KindRules.of(representative(source, seed=seed), roles)
        )
    strength = clusters = None
    if wanted is not None:
        wanted.require(rules.seen)
        if wanted.by_evidence:
            strength = yield from Strength.passes(source, rules, wanted, workspace, score)
    if score is not None:
        changed = partial(_changed, rules, None if strength is not None else wanted)
        measured = score if strength is None else strength.read

        def clustered() -> Clusters | None:
            pixels = changed_pixels(source, measured, changed, seed=seed)
            return Clusters.of(representative(source, seed=seed), pixels, seed=seed)

        with stages.stage("clusters"):
            clusters = workspace.keep("clusters", clustered)
    labels = workspace.layer("kind", source.shape, SIZE)
    members = None if clusters is None else workspace.layer("cluster", source.shape, SIZE)

    def label(tile: Tile, block: Block) -> list[Float32[np.ndarray, "row col"]]:
        found = rules.label(block)[tile.inner]
        if strength is not None:
            spoken_for = strength.kinds(tile.core)
            found = np.where(spoken_for > 0, spoken_for, found)
        member = [] if clusters is None else [clusters.label(block)[tile.inner]]
        return [each.astype(np.float32) for each in (*member, found)]

    yield Pass(
        name="kinds",
        source=source,
        tiles=tuple(tiles(source.shape, size=SIZE, halo=HALO)),
        measure=label,
        layers=[labels] if members is None else [members, labels],
        workspace=workspace,
    )
    return KindMap(
        rules=rules,
        wanted=wanted,
        labels=labels,
        strength=strength,
        clusters=clusters,
        members=members,
    )


def _changed(
    rules: KindRules,
    wanted: Wanted | None,
    block: Block,
    score: Float32[np.ndarray, "row col"],
) -> Bool[np.ndarray, "row col"]:
    """What changed by the method's own rule, and is of the kinds asked for."""
    changed = score > OWN
    return changed if wanted is None else changed & np.isin(rules.label(block), wanted.values)


def shown(
    labels: UInt8[np.ndarray, "row col"], change: Bool[np.ndarray, "row col"]
) -> UInt8[np.ndarray, "row col"]:
    """What `kind.tif` holds: the kind of changed pixels, 0 elsewhere, `NODATA`."""
    return np.where(change | (labels == NODATA), labels, NONE).astype(np.uint8)
