"""Decision: from what a method measured to a score in [0, 1] and the threshold on it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float32

from metriccd.deep_cva import adaptive_score
from metriccd.histogram import Histogram
from metriccd.measure import Difference
from metriccd.threshold import chi2_inflation, kmeans_score, threshold_of, vector_kmeans

# χ² statistics larger than this many times what they should be are reported.
CHI2_INFLATED = 2.0
UNCHANGED = "the images differ by no more than a gain and an offset: nothing changed"
# Pixels in a strip of the image that k-means reads.
KMEANS_STRIP = 2**20


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
        changed: Bool[np.ndarray, "row col"] = self.score > self.threshold
        return changed


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
    wanted = automatic if asked == "auto" else asked
    if found.probability and wanted != "adaptive":
        return _probability(found, valid, wanted)
    rule = next((name for name in (wanted, automatic) if isinstance(name, str)), "otsu")
    scored = _scored(found, valid, rule, seed)
    if isinstance(wanted, str):
        return scored
    return replace(scored, threshold=float(wanted), rule="fixed", level=None)


def _probability(
    found: Difference, valid: Bool[np.ndarray, "row col"], wanted: str | float
) -> Decision:
    """A probability as its own score."""
    level, rule = (
        (threshold_of(wanted, found.image[valid]), wanted)
        if isinstance(wanted, str)
        else (float(wanted), "fixed")
    )
    score = found.image.astype(np.float32, copy=False)
    measure = "probability of change"
    return Decision(score=score, threshold=level, rule=rule, measure=measure, level=level)


def _scored(
    found: Difference, valid: Bool[np.ndarray, "row col"], rule: str, seed: int
) -> Decision:
    """A distance as a score with the threshold 0.5."""
    if rule == "kmeans" and found.components is not None:
        strips = np.array_split(found.components, -(-valid.size // KMEANS_STRIP), axis=1)
        score = kmeans_score(found.components, vector_kmeans(strips, seed=seed))
        count = len(found.components)
        measure = f"margin of k-means on {count} components, which also orders the pixels"
        return _half(np.where(valid, score, np.float32(np.nan)), rule, measure)
    if rule == "adaptive":
        score = adaptive_score(found.image, valid)
        measure = "d / (d + t), d the difference image, t twice its local mean; cleaned"
        return _half(np.where(valid, score, np.float32(np.nan)), rule, measure)
    level, warnings = _level(found, valid, rule)
    scale = level if level > 0 else 1.0
    image = np.clip(found.image, 0, np.finfo(np.float32).max).astype(np.float64)
    score = (image / (image + scale)).astype(np.float32)
    measure = f"d / (d + t), d the difference image, t = {level:.4g} by {rule}"
    return replace(_half(score, rule, measure), level=level, warnings=warnings)


def _level(
    found: Difference, valid: Bool[np.ndarray, "row col"], rule: str
) -> tuple[float, tuple[str, ...]]:
    """Threshold of a rule on the difference image, and what to say of it."""
    values = found.image[valid]
    if rule != "chi2":
        level = threshold_of(rule, values)
        return max(level, found.floor), () if level >= found.floor else (UNCHANGED,)
    squares = values**2
    level = threshold_of(rule, squares, chi2_dof=found.chi2_dof) ** 0.5
    return level, _inflated(squares, found.chi2_dof)


def _half(score: Float32[np.ndarray, "row col"], rule: str, measure: str) -> Decision:
    return Decision(score=score, threshold=0.5, rule=rule, measure=measure)


def _inflated(values: Float32[np.ndarray, " pixel"], chi2_dof: int | None) -> tuple[str, ...]:
    """A warning where χ² values were scaled by much."""
    if chi2_dof is None:
        return ()
    histogram = Histogram()
    histogram.update(values)
    factor = chi2_inflation(histogram, chi2_dof)
    if factor <= CHI2_INFLATED:
        return ()
    return (
        f"chi2: values are {factor:.1f} times a χ² statistic with {chi2_dof} degrees of freedom "
        "at their median, and were divided by that; p-values are approximate",
    )
