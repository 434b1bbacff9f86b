"""Decision: from what a method measured to a score in [0, 1] and the threshold on it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Float32

from metriccd.decision.adaptive import adaptive_score
from metriccd.decision.clusters import kmeans_score, vector_kmeans
from metriccd.decision.rules import rule_of, threshold_of
from metriccd.decision.thresholds import chi2_inflation
from metriccd.scene import Difference, Histogram

# χ² statistics larger than this many times what they should be are reported.
CHI2_INFLATED = 2.0
UNCHANGED = "the images differ by no more than a gain and an offset: nothing changed"
# Pixels in a strip of the image that k-means reads.
KMEANS_STRIP = 2**20
LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True, kw_only=True)
class Decision:
    """A score and what is change on it.

    Attributes:
        score: In [0, 1], larger = more change; NaN where not valid.
        threshold: A score above it is change.
        rule: What chose the threshold.
        measure: What the score is, in words.
        level: The threshold on the difference image itself, where that is a single number.
        warnings: What the user should know, a line each.
    """

    score: Float32[np.ndarray, "row col"]
    threshold: float
    rule: str
    measure: str
    level: float | None = None
    warnings: tuple[str, ...] = ()

    @property
    def change(self) -> Bool[np.ndarray, "row col"]:
        """True = change; False where not valid."""
        change_map: Bool[np.ndarray, "row col"] = self.score > self.threshold
        return change_map


def decide(
    found: Difference,
    valid: Bool[np.ndarray, "row col"],
    asked: str | float = "auto",
    *,
    automatic: str | float = "otsu",
    seed: int = 0,
) -> Decision:
    """Score in [0, 1], threshold on it, and the rule that chose the threshold.

    The rule decides what the score is. A probability is its own score. A distance d becomes
    d / (d + t), t being the threshold that the rule finds: its order is kept, nothing saturates,
    and 0.5 is the threshold. Two rules look at more than the values of d: "kmeans" clusters the
    components that d was merged from, where there are any (`kmeans_score`), and "adaptive"
    compares d with its surroundings (`adaptive_score`). They rank pixels otherwise than d does,
    whose ranking is the one that publications report; on their scores, too, 0.5 is the threshold.

    Args:
        found: What a method measured.
        valid: Pixels that count.
        asked: "auto", a rule, or a score.
        automatic: What "auto" stands for. Where a score is asked for, the rule that makes a
            distance a score ("otsu" if this is a score, too).
        seed: Of the pixels that k-means looks at.
    """
    criterion, rule = rules(asked, automatic)
    if found.probability and criterion != "adaptive":
        return _probability(found, valid, criterion)
    decision = _scored(found, valid, rule, seed)
    if isinstance(criterion, str):
        return decision
    return replace(decision, threshold=float(criterion), rule="fixed", level=None)


def rules(asked: str | float, automatic: str | float) -> tuple[str | float, str]:
    """The rule or score that decides, and the rule that makes a distance a score."""
    criterion = automatic if asked == "auto" else asked
    rule = next((name for name in (criterion, automatic) if isinstance(name, str)), "otsu")
    return criterion, rule


def _probability(
    difference: Difference, valid: Bool[np.ndarray, "row col"], criterion: str | float
) -> Decision:
    """A probability as its own score."""
    threshold, rule = (
        (threshold_of(criterion, difference.image[valid]), criterion)
        if isinstance(criterion, str)
        else (float(criterion), "fixed")
    )
    score = difference.image.astype(np.float32, copy=False)
    measure = "probability of change"
    return Decision(score=score, threshold=threshold, rule=rule, measure=measure, level=threshold)


def _scored(
    difference: Difference, valid: Bool[np.ndarray, "row col"], rule: str, seed: int
) -> Decision:
    """A distance as a score with the threshold 0.5."""
    if rule == "kmeans" and difference.components is not None:
        strips = np.array_split(difference.components, -(-valid.size // KMEANS_STRIP), axis=1)
        score = kmeans_score(difference.components, vector_kmeans(strips, seed=seed))
        count = len(difference.components)
        measure = f"margin of k-means on {count} components, which also orders the pixels"
        return _half(np.where(valid, score, np.float32(np.nan)), rule, measure)
    if rule == "adaptive":
        score = adaptive_score(difference.image, valid)
        measure = "d / (d + t), d the difference image, t twice its local mean; cleaned"
        return _half(np.where(valid, score, np.float32(np.nan)), rule, measure)
    histogram = Histogram()
    values = difference.image[valid]
    histogram.update(values * values if rule == "chi2" else values)
    level, warnings = level_by(
        rule, histogram, floor=difference.floor, chi2_dof=difference.chi2_dof
    )
    decision = _half(score_of(difference.image, level), rule, measure_of(level, rule))
    return replace(decision, level=level, warnings=warnings)


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


def score_of(
    distance: Float[np.ndarray, "row col"], level: float
) -> Float32[np.ndarray, "row col"]:
    """D / (d + t): a distance as a score in [0, 1] on which 0.5 is the threshold t."""
    scale = np.float32(min(level, LARGEST) if level > 0 else 1)
    # Halves, whose sum cannot be infinite.
    score: Float32[np.ndarray, "row col"] = np.clip(distance, 0, LARGEST, dtype=np.float32) / 2
    score /= score + scale / 2
    return score


def measure_of(level: float, rule: str) -> str:
    """What such a score is, in words."""
    return f"d / (d + t), d the difference image, t = {level:.4g} by {rule}"


def takes_all(rule: str, components: int) -> bool:
    """Whether a rule looks at more than the values of the difference image."""
    return rule == "adaptive" or (rule == "kmeans" and components > 1)


def _half(score: Float32[np.ndarray, "row col"], rule: str, measure: str) -> Decision:
    return Decision(score=score, threshold=0.5, rule=rule, measure=measure)


def _inflated(histogram: Histogram, chi2_dof: int | None) -> tuple[str, ...]:
    """A warning where χ² values were scaled by much."""
    if chi2_dof is None:
        return ()
    inflation = chi2_inflation(histogram, chi2_dof)
    if inflation <= CHI2_INFLATED:
        return ()
    return (
        f"chi2: values are {inflation:.1f} times a χ² statistic with {chi2_dof} degrees of freedom "
        "at their median, and were divided by that; p-values are approximate",
    )
