"""Evidence for a kind as a score: a soft rule that takes the place of a hard one."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float32, Int8
from skimage.filters import threshold_otsu

from metriccd.kinds.asked import BUILT, Wanted
from metriccd.kinds.legend import KINDS
from metriccd.kinds.rules import HALO, KindRules
from metriccd.pair import Block, Source
from metriccd.raster import Window
from metriccd.scene import Histogram, Layer, Pass, Tile, Workspace, tiles

Score = Callable[[Window], Float32[np.ndarray, "row col"]]
SIZE = 1024
# E = e^0.7 · s^w, s the score of the method: a power below 1 moves the threshold towards what is
# weak. The evidence for water ranks well by itself, that for built ground only what changed
# (docs/decisions/018-kinds.md).
POWER, WATER_WEIGHT, BUILT_WEIGHT = 0.7, 0.1, 0.7
# No threshold on E is lower.
LEAST = 1e-3


@dataclass(frozen=True, kw_only=True)
class Strength:
    """Evidence E for the kinds asked for, as a score E / (E + t).

    Attributes:
        level: t, Otsu's threshold of E over the scene.
        kind: What E speaks for where it is positive.
        signed: E, negative where it speaks for water lost; NaN where not valid.
    """

    level: float
    kind: int
    signed: Layer = field(repr=False)

    @classmethod
    def passes(
        cls,
        source: Source,
        rules: KindRules,
        wanted: Wanted,
        workspace: Workspace,
        score: Score | None = None,
    ) -> Generator[Pass, None, Strength]:
        """Measures a scene tile by tile: a pass, and what comes of it.

        Args:
            source: The pair.
            rules: Of the pair.
            wanted: Water gained, lost, or both; or built.
            workspace: Where to keep the result.
            score: Of the method; without it E = e^0.7.
        """
        layer = workspace.layer("evidence", source.shape, SIZE)
        built = wanted.names == BUILT
        weight = np.float32(BUILT_WEIGHT if built else WATER_WEIGHT)

        def measure(tile: Tile, block: Block) -> list[Float32[np.ndarray, "row col"]]:
            found = _signed(rules, block, wanted)[tile.inner]
            if score is not None:
                found *= np.nan_to_num(score(tile.core)) ** weight
            return [np.where(block.valid[tile.inner], found, np.float32(np.nan))]

        work = Pass(
            name="evidence",
            source=source,
            tiles=tuple(tiles(source.shape, size=SIZE, halo=HALO)),
            measure=measure,
            layers=[layer],
            workspace=workspace,
        )
        yield work
        histogram = Histogram()
        for tile in work.tiles:
            histogram.update(np.abs(layer.read(tile.core)))
        kind = KINDS["built" if built else "water-gained"].value
        return cls(level=_otsu(histogram), kind=kind, signed=layer)

    def read(self, window: Window) -> Float32[np.ndarray, "row col"]:
        """The score of a window."""
        found = np.nan_to_num(np.abs(self.signed.read(window)))
        score: Float32[np.ndarray, "row col"] = found / (found + np.float32(self.level))
        return score

    def kinds(self, window: Window) -> Int8[np.ndarray, "row col"]:
        """The kind that the evidence of a window speaks for, or 0 where it speaks for none."""
        found = self.signed.read(window)
        lost = KINDS["water-lost"].value
        return np.where(found > 0, self.kind, np.where(found < 0, lost, 0)).astype(np.int8)


def _signed(rules: KindRules, block: Block, wanted: Wanted) -> Float32[np.ndarray, "row col"]:
    """e^0.7 of the stronger kind, negative of water lost."""
    if wanted.names == BUILT:
        return np.where(block.valid, rules.built_evidence(block) ** POWER, 0).astype(np.float32)
    zero = np.zeros(block.valid.shape, np.float32)
    gained, lost = (
        rules.evidence(block, name) if name in wanted.names else zero
        for name in ("water-gained", "water-lost")
    )
    signed = np.where(gained >= lost, gained**POWER, -(lost**POWER))
    return np.where(block.valid, signed, 0).astype(np.float32)


def _otsu(histogram: Histogram) -> float:
    if histogram.constant:
        return max(histogram.maximum, LEAST) if histogram.count else LEAST
    counts, centers = histogram.uniform()
    found = threshold_otsu(hist=(counts, centers))  # type: ignore[no-untyped-call]
    return max(float(found), LEAST)
