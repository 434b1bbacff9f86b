"""Evidence for water as a score: a soft rule that takes the place of a hard one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float32, Int8
from skimage.filters import threshold_otsu

from metriccd.kinds.asked import Wanted
from metriccd.kinds.legend import KINDS
from metriccd.kinds.rules import HALO, KindRules
from metriccd.pair import Block, Source
from metriccd.raster import Window
from metriccd.scene import Histogram, Layer, Workspace, tiles

Score = Callable[[Window], Float32[np.ndarray, "row col"]]
SIZE = 1024
# E = e^0.7 · s^0.1: the score s moves the order of pixels a little, and a power below 1 moves the
# threshold towards weak water (docs/decisions/018-kinds.md).
POWER, WEIGHT = 0.7, 0.1
# No threshold on E is lower.
LEAST = 1e-3


@dataclass(frozen=True, kw_only=True)
class Strength:
    """Evidence E for the kinds asked for, as a score E / (E + t).

    Attributes:
        level: t, Otsu's threshold of E over the scene.
        signed: E, negative where it speaks for water lost; 0 where not valid.
    """

    level: float
    signed: Layer = field(repr=False)

    @classmethod
    def of(
        cls,
        source: Source,
        rules: KindRules,
        wanted: Wanted,
        workspace: Workspace,
        score: Score | None = None,
    ) -> Strength:
        """Measures a scene tile by tile.

        Args:
            source: The pair.
            rules: Of the pair.
            wanted: Water gained, lost, or both.
            workspace: Where to keep the result.
            score: Of the method; without it E = e^0.7.
        """
        layer, histogram = workspace.layer("evidence", source.shape), Histogram()
        with source.reader() as read:
            for tile in tiles(source.shape, size=SIZE, halo=HALO):
                block = read(tile.padded)
                found = _signed(rules, block, wanted)[tile.inner]
                if score is not None:
                    found *= np.nan_to_num(score(tile.core)) ** np.float32(WEIGHT)
                layer.write(tile.core, found)
                histogram.update(np.abs(found[block.valid[tile.inner]]))
        return cls(level=_otsu(histogram), signed=layer)

    def read(self, window: Window) -> Float32[np.ndarray, "row col"]:
        """The score of a window."""
        found = np.abs(self.signed.read(window))
        score: Float32[np.ndarray, "row col"] = found / (found + np.float32(self.level))
        return score

    def kinds(self, window: Window) -> Int8[np.ndarray, "row col"]:
        """What the evidence of a window speaks for: a kind of water, or 0 where nothing does."""
        found = self.signed.read(window)
        gained, lost = KINDS["water-gained"].value, KINDS["water-lost"].value
        return np.where(found > 0, gained, np.where(found < 0, lost, 0)).astype(np.int8)


def _signed(rules: KindRules, block: Block, wanted: Wanted) -> Float32[np.ndarray, "row col"]:
    """e^0.7 of the stronger kind, negative of water lost."""
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
