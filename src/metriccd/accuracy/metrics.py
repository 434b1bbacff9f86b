"""How well a change map or a score agrees with a reference.

Everything is counted window by window in constant memory and merged with `+`: `Confusion` for maps,
`Ranking` for scores. `Scores` holds the figures and says of each whether the reference helped to
choose something.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import ClassVar

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64

from metriccd.scene import Histogram


@dataclass(frozen=True, kw_only=True)
class Confusion:
    """Pixels by map and reference; `a + b` pools two of them, `Confusion()` is the empty one.

    A rate over no pixels (nothing detected, no change in the reference) is 0, as with
    scikit-learn's `zero_division=0`. Accuracy over no pixels at all, and kappa where agreement
    by chance is certain, are undefined: NaN.

    Attributes:
        tp: Changed and detected.
        fp: Unchanged but detected.
        fn: Changed but missed.
        tn: Unchanged and not detected.
    """

    tp: int = 0
    fp: int = 0
    fn: int = 0
    tn: int = 0

    @classmethod
    def from_maps(
        cls,
        change: Bool[np.ndarray, "row col"],
        reference: Bool[np.ndarray, "row col"],
        valid: Bool[np.ndarray, "row col"],
    ) -> Confusion:
        """Count the pixels that are valid: usable in both images and known to the reference."""
        detected, changed = int((change & valid).sum()), int((reference & valid).sum())
        tp = int((change & reference & valid).sum())
        return cls(
            tp=tp,
            fp=detected - tp,
            fn=changed - tp,
            tn=int(valid.sum()) - detected - changed + tp,
        )

    def __add__(self, other: Confusion) -> Confusion:
        sums = {f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)}
        return Confusion(**sums)

    @property
    def oa(self) -> float:
        """Overall accuracy, (TP + TN) / N."""
        total = self.tp + self.fp + self.fn + self.tn
        return _ratio(self.tp + self.tn, total, empty=math.nan)

    @property
    def ua(self) -> float:
        """User's accuracy of the class change (precision), TP / (TP + FP)."""
        return _ratio(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> float:
        """Producer's accuracy of the class change, TP / (TP + FN)."""
        return _ratio(self.tp, self.tp + self.fn)

    @property
    def f1(self) -> float:
        """Harmonic mean of `ua` and `recall`, 2 TP / (2 TP + FP + FN)."""
        return _ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    @property
    def iou(self) -> float:
        """Intersection over union of the class change (Jaccard), TP / (TP + FP + FN)."""
        return _ratio(self.tp, self.tp + self.fp + self.fn)

    @property
    def kappa(self) -> float:
        """Cohen's kappa, agreement beyond chance: 2 (TP·TN − FP·FN) / Σ of two class products."""
        by_chance = (self.tp + self.fp) * (self.fp + self.tn)
        by_chance += (self.tp + self.fn) * (self.fn + self.tn)
        agreement = 2 * (self.tp * self.tn - self.fp * self.fn)
        return _ratio(agreement, by_chance, empty=math.nan)


class Ranking:
    """How well scores order changed above unchanged pixels, from two streamed histograms.

    Windows are added with `update`, rankings with `+`. Scores in one bin of the histogram count as
    tied: figures agree with scikit-learn's to about 1e-5. All figures are NaN where the reference
    has no changed or no unchanged pixel.
    """

    def __init__(self) -> None:
        self.changed = Histogram()
        self.unchanged = Histogram()

    def update(
        self,
        score: Float[np.ndarray, "row col"],
        reference: Bool[np.ndarray, "row col"],
        valid: Bool[np.ndarray, "row col"],
    ) -> None:
        """Count the scores of valid pixels; scores that are not finite are ignored."""
        self.changed.update(score[valid & reference])
        self.unchanged.update(score[valid & ~reference])

    def __add__(self, other: Ranking) -> Ranking:
        total = Ranking()
        total.changed = self.changed + other.changed
        total.unchanged = self.unchanged + other.unchanged
        return total

    def roc_auc(self) -> float:
        """Area under the ROC curve: the chance that a changed pixel scores above an unchanged one.

        Ties count one half, so this is the trapezoid rule.
        """
        tp, fp, _ = self._falling()
        if not self._defined:
            return math.nan
        return float(np.diff(fp / fp[-1]) @ (tp[1:] + tp[:-1]) / (2 * tp[-1]))

    def average_precision(self) -> float:
        """Area under the precision-recall curve, Σ (R_n − R_{n−1}) P_n, without interpolation."""
        tp, fp, _ = self._falling()
        if not self._defined:
            return math.nan
        return float(np.diff(tp / tp[-1]) @ (tp[1:] / (tp[1:] + fp[1:])))

    def best_f1(self) -> tuple[float, float]:
        """The largest F1 of all thresholds and its threshold t (change: score > t). An oracle!"""
        tp, fp, floors = self._falling()
        if not self._defined:
            return math.nan, math.nan
        best = self._best()
        return float(2 * tp[best] / (tp[best] + fp[best] + tp[-1])), float(floors[best])

    def best_confusion(self) -> Confusion:
        """Pixels at that threshold; none at all where no F1 is defined. An oracle!"""
        tp, fp, _ = self._falling()
        if not self._defined:
            return Confusion()
        found, false = int(tp[self._best()]), int(fp[self._best()])
        return Confusion(tp=found, fp=false, fn=int(tp[-1]) - found, tn=int(fp[-1]) - false)

    def roc_curve(
        self, points: int = 1000
    ) -> tuple[Float64[np.ndarray, " point"], Float64[np.ndarray, " point"]]:
        """False and true positive rates from (0, 0) to (1, 1), at most `points` of them.

        They are spread evenly along the curve: between neighbors the rates grow by about
        2 / `points` or one bin.
        """
        tp, fp, _ = self._falling()
        if not self._defined:
            return np.full(1, math.nan), np.full(1, math.nan)
        cuts = _spread(tp / tp[-1] + fp / fp[-1], points)
        return fp[cuts] / fp[-1], tp[cuts] / tp[-1]

    def precision_recall_curve(
        self, points: int = 1000
    ) -> tuple[Float64[np.ndarray, " point"], Float64[np.ndarray, " point"]]:
        """Precision and recall, at most `points` of them, spread evenly along recall.

        Unlike scikit-learn's, recall ascends and no point (1, 0) is made up for "nothing detected".
        """
        tp, fp, _ = self._falling()
        if not self._defined:
            return np.full(1, math.nan), np.full(1, math.nan)
        cuts = 1 + _spread(tp[1:] / tp[-1], points)
        return tp[cuts] / (tp[cuts] + fp[cuts]), tp[cuts] / tp[-1]

    def _best(self) -> int:
        """Which cut has the largest F1."""
        tp, fp, _ = self._falling()
        return int((2 * tp / (tp + fp + tp[-1])).argmax())

    @property
    def _defined(self) -> bool:
        return self.changed.count > 0 and self.unchanged.count > 0

    def _falling(
        self,
    ) -> tuple[Int64[np.ndarray, " cut"], Int64[np.ndarray, " cut"], Float64[np.ndarray, " cut"]]:
        """True and false positives above falling thresholds, from nothing to everything."""
        histogram = self.changed + self.unchanged
        tp, fp = (
            np.append(0, np.cumsum(histogram.share_of(part)[::-1]))
            for part in (self.changed, self.unchanged)
        )
        return tp, fp, np.append(histogram.ceiling, histogram.floors[::-1])


@dataclass(frozen=True, kw_only=True)
class Scores:
    """The figures of one pair, of pooled pairs, or their mean over pairs.

    Attributes:
        oa, ua, recall, f1, iou, kappa: Of the change map, see `Confusion`.
        auc, ap: Area under the ROC curve and average precision of the score, see `Ranking`.
        best_f1: The largest F1 any threshold reaches: chosen with the reference.
        best_threshold: The threshold that reaches it.
        n_changed: Changed pixels of the reference that were judged.
        n_unchanged: Unchanged pixels of the reference that were judged.
        LABELS: What people call each figure, without the counts.
        BASIS: What the reference was used for, figure by figure. "label-free": the threshold was
            chosen without it, and nothing was learned unless the method is supervised.
            "threshold-free": no threshold is needed. "oracle": it chose the threshold.
            "reference": a count of its pixels.
    """

    oa: float
    ua: float
    recall: float
    f1: float
    iou: float
    kappa: float
    auc: float
    ap: float
    best_f1: float
    best_threshold: float
    n_changed: int
    n_unchanged: int

    BASIS: ClassVar[dict[str, str]] = {
        **dict.fromkeys(("oa", "ua", "recall", "f1", "iou", "kappa"), "label-free"),
        **dict.fromkeys(("auc", "ap"), "threshold-free"),
        **dict.fromkeys(("best_f1", "best_threshold"), "oracle"),
        **dict.fromkeys(("n_changed", "n_unchanged"), "reference"),
    }

    LABELS: ClassVar[dict[str, str]] = {
        "oa": "overall accuracy (OA)",
        "ua": "precision (UA)",
        "recall": "recall",
        "f1": "F1",
        "iou": "intersection over union",
        "kappa": "kappa",
        "auc": "area under ROC (AUC)",
        "ap": "average precision (AP)",
        "best_f1": "best F1",
        "best_threshold": "threshold of best F1",
    }

    @classmethod
    def of(cls, confusion: Confusion, ranking: Ranking) -> Scores:
        """The figures of a change map's confusion and a score's ranking.

        Sums of both over pairs give pooled figures; ranking pooled scores assumes that they mean
        the same in every pair.
        """
        best_f1, best_threshold = ranking.best_f1()
        return cls(
            oa=confusion.oa,
            ua=confusion.ua,
            recall=confusion.recall,
            f1=confusion.f1,
            iou=confusion.iou,
            kappa=confusion.kappa,
            auc=ranking.roc_auc(),
            ap=ranking.average_precision(),
            best_f1=best_f1,
            best_threshold=best_threshold,
            n_changed=confusion.tp + confusion.fn,
            n_unchanged=confusion.fp + confusion.tn,
        )

    def as_dict(self) -> dict[str, float | int | None]:
        """The figures by name, those that are undefined as None: JSON has no NaN."""
        return {name: None if math.isnan(value) else value for name, value in asdict(self).items()}


def mean_scores(scores: Sequence[Scores]) -> Scores:
    """Unweighted mean over pairs of every figure, leaving out pairs where it is undefined.

    Counts of pixels are summed. There is no mean `best_threshold` (NaN): each pair had its own.

    Raises:
        ValueError: There are no scores.
    """
    if not scores:
        raise ValueError("a mean needs at least one pair, got none: evaluate a pair first")
    columns = {f.name: [getattr(pair, f.name) for pair in scores] for f in fields(Scores)}
    means = {name: _mean(column) for name, column in columns.items()}
    counts = {name: sum(columns[name]) for name in ("n_changed", "n_unchanged")}
    return Scores(**{**means, "best_threshold": math.nan, **counts})


def _ratio(part: int, whole: int, *, empty: float = 0.0) -> float:
    return part / whole if whole else empty


def _mean(column: Sequence[float]) -> float:
    """Mean of the figures that are not NaN; NaN if none is."""
    defined = [figure for figure in column if not math.isnan(figure)]
    return sum(defined) / len(defined) if defined else math.nan


def _spread(along: Float64[np.ndarray, " bin"], points: int) -> Int64[np.ndarray, " point"]:
    """Positions evenly along an ascending quantity, at most `points`, with both ends."""
    targets = np.linspace(along[0], along[-1], points)
    return np.unique(np.searchsorted(along, targets))
