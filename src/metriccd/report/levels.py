"""Levels of scores: exact counts above any threshold, and the thresholds that the page offers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, UInt16

TOP_LEVEL = 65535
_AXIS_ENDS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


def quantize(score: Float[np.ndarray, "*shape"], threshold: float) -> UInt16[np.ndarray, "*shape"]:
    """16-bit levels of scores that keep every pixel on its side of the threshold.

    Level = score·65535, rounded, then moved by at most one so that `level > ⌊threshold·65535⌋`
    holds exactly where `score > threshold`. A level over 65535 is within 1/65535 of its score.

    Args:
        score: Scores in [0, 1]; NaN becomes level 0.
        threshold: Score above which a pixel is change.

    Returns:
        Levels from 0 to 65535.
    """
    level = np.rint(np.nan_to_num(score).astype(np.float64) * TOP_LEVEL)
    edge = np.floor(threshold * TOP_LEVEL)
    # The caller's own comparison, in the score's own precision, decides the side.
    level = np.where(score > threshold, np.maximum(level, edge + 1), np.minimum(level, edge))
    clipped: UInt16[np.ndarray, "*shape"] = np.clip(level, 0, TOP_LEVEL).astype(np.uint16)
    return clipped


@dataclass(frozen=True, kw_only=True)
class Positions:
    """The thresholds that the page's slider can stand at: even steps, and the one of the rule.

    Whatever the page says at one of them is exact: it never sees a score, only between which of
    them it lies.

    Attributes:
        values: Ascending, from 0 to the end of the slider.
        own: Which of them is the rule's threshold.
    """

    values: tuple[float, ...]
    own: int

    @classmethod
    def of(cls, levels: Int[np.ndarray, "kind level"], threshold: float, steps: int) -> Positions:
        """Positions on an axis that holds all scores and the threshold.

        Args:
            levels: Pixels at each level of `quantize`.
            threshold: Of the rule.
            steps: Even steps of the slider.
        """
        largest = int(levels.sum(axis=0).nonzero()[0].max(initial=0)) / TOP_LEVEL
        end = next((each for each in _AXIS_ENDS if each >= max(largest, threshold)), 1.0)
        even = {round(end * step / steps, 6) for step in range(steps + 1)}
        values = sorted(even | {threshold})
        return cls(values=tuple(values), own=values.index(threshold))

    @property
    def end(self) -> float:
        """Where the axis ends, whatever the threshold is."""
        return next((each for each in _AXIS_ENDS if each >= self.values[-1]), 1.0)

    @property
    def edges(self) -> Int[np.ndarray, " position"]:
        """Level that a pixel must be above, for each position."""
        edges: Int[np.ndarray, " position"]
        edges = np.clip(np.floor(np.array(self.values) * TOP_LEVEL), -1, TOP_LEVEL).astype(np.int64)
        return edges

    def codes(self, score: Float[np.ndarray, "row col"]) -> Int[np.ndarray, "row col"]:
        """1 + the number of positions that each score is above; 0 where there is no score."""
        levels = quantize(score, self.values[self.own]).astype(np.int64)
        above = np.searchsorted(self.edges, levels, side="left")
        return np.where(np.isnan(score), 0, 1 + above)

    def counts(self, levels: Int[np.ndarray, "kind level"]) -> Int[np.ndarray, "kind position"]:
        """Pixels of each kind above each position."""
        below = np.cumsum(levels, axis=1)
        edges = self.edges
        up_to = np.where(edges < 0, 0, below[:, np.maximum(edges, 0)])
        return below[:, -1:] - up_to
