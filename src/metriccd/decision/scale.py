"""The scale of a score: what it is a score of, and which distance has the score 0.5."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Float32

from metriccd.decision.consensus import certainty
from metriccd.decision.rules import rule_of
from metriccd.decision.thresholds import chi2_inflation
from metriccd.errors import DataError
from metriccd.scene import Histogram
from metriccd.storage import storable

# χ² statistics larger than this many times what they should be are reported.
CHI2_INFLATED = 2.0
UNCHANGED = "the images differ by no more than noise, a gain and an offset: nothing changed"
LARGEST = float(np.finfo(np.float32).max)
BELOW_ONE = np.nextafter(np.float32(1), np.float32(0))


@storable
@dataclass(frozen=True, kw_only=True)
class Scale:
    """How what a method measures becomes a score, and back.

    Attributes:
        kind: "distance": the score is d / (d + level); "probability": it is what was measured;
            "rank": a rule that looks at more than distances made it.
        rule: What found the level, or made the ranks; "" for a probability.
        words: What the score is, for people.
        level: The distance whose score is 0.5; None where scores are not made of distances.
        floor: No threshold on distances is lower.
        chi2_dof: Degrees of freedom of the squared distances, where they are χ² statistics.
        components: Of the difference image; "kmeans" clusters them where there are several.
        certainty: How sure the rule is, in a sentence; None of a rule that does not know.
    """

    kind: Literal["distance", "probability", "rank"]
    rule: str
    words: str
    level: float | None = None
    floor: float = 0.0
    chi2_dof: int | None = None
    components: int = 1
    certainty: str | None = None

    @classmethod
    def by(
        cls,
        rule: str,
        histogram: Histogram,
        *,
        floor: float = 0.0,
        chi2_dof: int | None = None,
        components: int = 1,
    ) -> tuple[Scale, tuple[str, ...]]:
        """The scale of distances by a method's own rule, and what to say of it.

        Args:
            rule: Key of `THRESHOLDS`, or "chi2".
            histogram: Of the difference image; for "chi2", of its square.
            floor: No threshold is lower.
            chi2_dof: Degrees of freedom of the square.
            components: Of the difference image.
        """
        level, warnings = level_by(rule, histogram, floor=floor, chi2_dof=chi2_dof)
        scale = cls(
            kind="distance",
            rule=rule,
            words=f"d / (d + t), d the difference image, t = {level:.4g} by {rule}",
            level=level,
            floor=floor,
            chi2_dof=chi2_dof,
            components=components,
            certainty=None if UNCHANGED in warnings else certainty(rule, histogram),
        )
        return scale, warnings

    @classmethod
    def of_probability(cls) -> Scale:
        """The scale of what is a score already."""
        return cls(kind="probability", rule="", words="probability of change")

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Scale:
        """The scale that a record holds, see `record`."""
        return cls(**record)

    def record(self) -> dict[str, Any]:
        """What JSON can hold of it."""
        return asdict(self)

    def score(self, distance: Float[np.ndarray, "row col"]) -> Float32[np.ndarray, "row col"]:
        """Distances as scores in [0, 1]."""
        if self.level is None:
            return distance.astype(np.float32, copy=False)
        # Halves, whose sum cannot be infinite.
        half: Float32[np.ndarray, "row col"] = np.clip(distance, 0, LARGEST, dtype=np.float32) / 2
        half /= half + np.float32(self._unit / 2)
        return half

    def distance(self, score: Float[np.ndarray, "row col"]) -> Float32[np.ndarray, "row col"]:
        """Scores as distances, to float32's digits of the score."""
        if self.level is None:
            return score.astype(np.float32, copy=False)
        below = np.minimum(score, BELOW_ONE).astype(np.float64)
        distance: Float32[np.ndarray, "row col"]
        distance = np.minimum(self._unit * below / (1 - below), LARGEST).astype(np.float32)
        return distance

    def threshold(self, rule: str, histogram: Histogram) -> tuple[float, float, tuple[str, ...]]:
        """Another rule's threshold on this score, on the distances, and what to say of it.

        Args:
            rule: Key of `THRESHOLDS`, or "chi2".
            histogram: Of the distances; for "chi2", of their squares.
        """
        level, warnings = level_by(rule, histogram, floor=self.floor, chi2_dof=self.chi2_dof)
        if self.level is None:
            return level, level, warnings
        # The scale said so already, when it was made.
        warnings = tuple(line for line in warnings if line != UNCHANGED)
        bounded = min(max(level, 0.0), LARGEST)
        return bounded / (bounded + self._unit), level, warnings

    def check(self, rule: str) -> None:
        """Refuses a rule that cannot decide on this score.

        Raises:
            DataError: The rule needs more than distances, or there are none.
            ValueError: There is no such rule, or "chi2" has no statistic.
        """
        if self.kind == "rank":
            raise DataError(
                f"a rule needs distances, which this score is not made of ({self.words}): "
                "give a number between 0 and 1, or auto, or detect again"
            )
        if takes_all(rule, self.components):
            raise DataError(
                f"rule {rule} looks at more than the score: detect again with --threshold {rule}"
            )
        rule_of(rule, chi2_dof=self.chi2_dof)

    @property
    def _unit(self) -> float:
        """The level as a divisor: finite, not 0."""
        return min(self.level, LARGEST) if self.level is not None and self.level > 0 else 1.0


def level_by(
    rule: str, histogram: Histogram, *, floor: float = 0.0, chi2_dof: int | None = None
) -> tuple[float, tuple[str, ...]]:
    """Threshold of a rule on a difference image, and what to say of it.

    Args:
        rule: Key of `THRESHOLDS`, or "chi2".
        histogram: Of the difference image; for "chi2", of its square.
        floor: No threshold is lower.
        chi2_dof: Degrees of freedom of the square.
    """
    level = rule_of(rule, chi2_dof=chi2_dof)(histogram)
    if rule != "chi2":
        level = max(level, floor)
        return level, (UNCHANGED,) if histogram.maximum <= level == floor else ()
    return level**0.5, _inflated(histogram, chi2_dof)


def takes_all(rule: str | float, components: int) -> bool:
    """Whether a rule looks at more than the values of the difference image."""
    return rule == "adaptive" or (rule == "kmeans" and components > 1)


def _inflated(histogram: Histogram, chi2_dof: int | None) -> tuple[str, ...]:
    """A warning where χ² values were scaled by much."""
    if chi2_dof is None:
        return ()
    factor = chi2_inflation(histogram, chi2_dof)
    if factor <= CHI2_INFLATED:
        return ()
    return (
        f"chi2: values are {factor:.1f} times a χ² statistic with {chi2_dof} degrees of freedom "
        "at their median, and were divided by that; p-values are approximate",
    )
