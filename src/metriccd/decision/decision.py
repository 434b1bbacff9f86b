"""Decision: from what a method measured to a score in [0, 1] and the threshold on it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32

from metriccd.decision.adaptive import adaptive_score
from metriccd.decision.clusters import kmeans_score, vector_kmeans
from metriccd.decision.consensus import certainty
from metriccd.decision.scale import Scale, takes_all
from metriccd.raster import Window
from metriccd.scene import Difference, Histogram
from metriccd.storage import storable

# Pixels in a strip of the image that k-means reads.
KMEANS_STRIP = 2**20


@storable
@dataclass(frozen=True, kw_only=True)
class Verdict:
    """A threshold on a score, and what chose it.

    Attributes:
        threshold: A score above it is change.
        rule: What chose it; "fixed" for a number.
        level: The threshold on the distances, where it is one.
        warnings: What the user should know, a line each.
        certainty: How sure the rule is, in a sentence; None of a number.
    """

    threshold: float
    rule: str
    level: float | None = None
    warnings: tuple[str, ...] = ()
    certainty: str | None = None


@dataclass(frozen=True, kw_only=True)
class Decision:
    """A score and what is change on it.

    Attributes:
        score: In [0, 1], larger = more change; NaN where not valid.
        scale: What the score is.
        verdict: The threshold on it.
        warnings: What the user should know, a line each.
    """

    score: Float32[np.ndarray, "row col"]
    scale: Scale
    verdict: Verdict
    warnings: tuple[str, ...] = ()

    @property
    def change(self) -> Bool[np.ndarray, "row col"]:
        """True = change; False where not valid."""
        changed: Bool[np.ndarray, "row col"] = self.score > self.verdict.threshold
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

    The score does not depend on what is asked for. A probability is its own score. A distance d
    becomes d / (d + t), t being the threshold that the method's own rule finds: its order is
    kept, nothing saturates, and 0.5 is that rule's threshold. Another rule gives another threshold
    on the same score. Two rules look at more than the values of d and make a score of their own,
    on which 0.5 is the threshold: "kmeans" clusters the components that d was merged from, where
    there are any (`kmeans_score`), and "adaptive" compares d with its surroundings
    (`adaptive_score`). They rank pixels otherwise than d does, whose ranking is the one that
    publications report.

    Args:
        found: What a method measured.
        valid: Pixels that count.
        asked: "auto", a rule, or a score.
        automatic: What "auto" stands for: the method's own rule, which makes a distance a score
            ("otsu" if it is a score).
        seed: Of the pixels that k-means looks at.
    """
    components = 1 if found.components is None else len(found.components)
    wanted, rule = rules(asked, automatic, components)
    warnings: tuple[str, ...] = ()
    if found.probability and wanted != "adaptive":
        score = found.image.astype(np.float32, copy=False)
        scale = Scale.of_probability()
    elif takes_all(rule, components):
        score, scale = _ranked(found, valid, rule, seed)
        warnings = _ranks_anew(rule, automatic)
    else:
        histogram = Histogram()
        values = found.image[valid]
        histogram.update(values * values if rule == "chi2" else values)
        scale, warnings = Scale.by(
            rule, histogram, floor=found.floor, chi2_dof=found.chi2_dof, components=components
        )
        score = scale.score(found.image)
    whole = Window.whole(valid.shape)
    known = np.where(valid, score, np.float32(np.nan))
    verdict = judge(scale, wanted, lambda window: known[window.slices], [whole])
    return Decision(score=score, scale=scale, verdict=verdict, warnings=warnings)


def rules(asked: str | float, automatic: str | float, components: int) -> tuple[str | float, str]:
    """The rule or score that decides, and the rule that makes a distance a score."""
    wanted = automatic if asked == "auto" else asked
    own = automatic if isinstance(automatic, str) else "otsu"
    if isinstance(wanted, str) and takes_all(wanted, components):
        return wanted, wanted
    if isinstance(wanted, str) and takes_all(own, components):
        return wanted, "otsu"
    return wanted, own


def judge(
    scale: Scale,
    wanted: str | float,
    read: Callable[[Window], Float32[np.ndarray, "row col"]],
    windows: Iterable[Window],
) -> Verdict:
    """The threshold on a score that a rule or a number gives; the score itself stays.

    Rules look at distances that are read back from the score, so that a rule asked for later, of
    a file, finds the same.

    Args:
        scale: What the score is.
        wanted: A rule, or a score.
        read: The score of a window, NaN where not valid.
        windows: That cover the scene.

    Raises:
        DataError: The rule cannot decide on this score.
        ValueError: There is no such rule.
    """
    if not isinstance(wanted, str):
        return Verdict(threshold=float(wanted), rule="fixed")
    if wanted == scale.rule:
        return Verdict(threshold=0.5, rule=wanted, level=scale.level, certainty=scale.certainty)
    scale.check(wanted)
    histogram = Histogram()
    for window in windows:
        values = scale.distance(read(window))
        histogram.update(values * values if wanted == "chi2" else values)
    threshold, level, warnings = scale.threshold(wanted, histogram)
    return Verdict(
        threshold=threshold,
        rule=wanted,
        level=level,
        warnings=warnings,
        certainty=certainty(wanted, histogram),
    )


def _ranked(
    found: Difference, valid: Bool[np.ndarray, "row col"], rule: str, seed: int
) -> tuple[Float32[np.ndarray, "row col"], Scale]:
    """The score of a rule that looks at more than distances."""
    if rule == "kmeans" and found.components is not None:
        strips = np.array_split(found.components, -(-valid.size // KMEANS_STRIP), axis=1)
        score = kmeans_score(found.components, vector_kmeans(strips, seed=seed))
        count = len(found.components)
        words = f"margin of k-means on {count} components, which also orders the pixels"
    else:
        score = adaptive_score(found.image, valid)
        words = "d / (d + t), d the difference image, t twice its local mean; cleaned"
    known = np.where(valid, score, np.float32(np.nan))
    return known, Scale(kind="rank", rule=rule, words=words)


def _ranks_anew(rule: str, automatic: str | float) -> tuple[str, ...]:
    if rule == automatic:
        return ()
    return (f"{rule} makes a score of its own: score.tif is not that of other thresholds",)
