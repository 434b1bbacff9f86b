"""Settings of the recipe on tables of witnesses, and how they fare against references."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from scipy.stats import rankdata
from witness_tables import DIRECTED, LOOKS, Table

from metriccd.decision.consensus import BALANCED, CAUTIOUS, THOROUGH, Consensus
from metriccd.recipe.fusion import AGREEMENT, EXPONENTS, LIMIT, SAMPLE, SURPRISE
from metriccd.recipe.scale import AREA, SHARE, TRUST, scale_from
from metriccd.scene import Histogram

# Every constant of the score that was chosen from data, as shipped.
SHIPPED: Mapping[str, float] = {
    **EXPONENTS,
    "agreement": AGREEMENT,
    "surprise": SURPRISE,
    "scale: share": SHARE,
    "scale: area": AREA,
    "scale: trust": TRUST,
}
# Offsets to the log-odds of the consensus, which a score is decided with at once.
OFFSETS = tuple(round(-1.6 + 0.1 * step, 1) for step in range(33))
# What each operating point is chosen by: F_β, and its offset as shipped.
POINTS = {"auto": (1.0, BALANCED), "cautious": (0.5, CAUTIOUS), "thorough": (2.0, THOROUGH)}
# No threshold is lower: around 1 nothing special happens.
FLOOR = 1.0


@dataclass(frozen=True, kw_only=True)
class Figures:
    """How a setting fares on a pair.

    Attributes:
        auc: Area under the ROC curve; NaN where the reference holds no change, as all below.
        ap: Average precision.
        best: The largest F_β of all thresholds, by β; an oracle.
        reached: F_β by β at each of `OFFSETS`; no reference chose the threshold.
        said: Share of the judged pixels said to be change at each of `OFFSETS`.
    """

    auc: float
    ap: float
    best: Mapping[float, float]
    reached: Mapping[float, Float[np.ndarray, " offset"]]
    said: Float[np.ndarray, " offset"]

    def as_dict(self) -> dict[str, Any]:
        """What JSON can hold of it."""
        return {
            "auc": self.auc,
            "ap": self.ap,
            "best": list(self.best.items()),
            "reached": [(beta, values.tolist()) for beta, values in self.reached.items()],
            "said": self.said.tolist(),
        }

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any]) -> Figures:
        """The figures that `as_dict` gave."""
        return cls(
            auc=kept["auc"],
            ap=kept["ap"],
            best=dict(kept["best"]),
            reached={beta: np.array(values) for beta, values in kept["reached"]},
            said=np.array(kept["said"]),
        )


def score_of(
    table: Table, setting: Mapping[str, float], direction: str
) -> Float[np.ndarray, " pixel"]:
    """Logarithm of the distance at every pixel of a table, as `Fusion` makes it."""
    look = table.looks[LOOKS.index(direction)]
    scale = scale_from(
        float(look[0]),
        float(look[1]),
        None if math.isnan(table.ground) else table.ground,
        usual=(setting["scale: share"], setting["scale: area"]),
        trust=setting["scale: trust"],
    )
    plain, guided = table.at(scale)
    weight = 1.0 if direction == "appeared" else _weight(table, plain, setting)
    weights = {"plain": setting["plain"]}
    for name in DIRECTED:
        weights[f"appeared {name}"] = weight * setting[name]
        weights[f"disappeared {name}"] = (1 - weight) * setting[name]
    log, followed = (
        sum(factor * maps[name] for name, factor in weights.items()) for maps in (plain, guided)
    )
    score: Float[np.ndarray, " pixel"] = np.minimum(followed, log + LIMIT)
    return score


def _weight(
    table: Table, plain: Mapping[str, Float[np.ndarray, " pixel"]], setting: Mapping[str, float]
) -> float:
    """Of what appeared, as `metriccd.recipe.fusion.weight_of` has it."""
    step = max(len(table.changed) // SAMPLE, 1)
    ranks = rankdata(plain["plain"][::step])
    one, other = (
        float(np.corrcoef(rankdata(_product(plain, which, setting)[::step]), ranks)[0, 1])
        for which in ("appeared", "disappeared")
    )
    lean = setting["agreement"] * (one - other) + setting["surprise"] * table.surprise
    return 1 / (1 + math.exp(-lean))


def _product(
    plain: Mapping[str, Float[np.ndarray, " pixel"]], which: str, setting: Mapping[str, float]
) -> Float[np.ndarray, " pixel"]:
    total: Float[np.ndarray, " pixel"] = setting["plain"] * plain["plain"]
    for name in DIRECTED:
        total = total + setting[name] * plain[f"{which} {name}"]
    return total


def figures_of(table: Table, log: Float[np.ndarray, " pixel"]) -> Figures:
    """A score against the reference of its table."""
    distance = np.exp(log.astype(np.float64)).astype(np.float32)
    changed, judged = table.changed, table.known
    levels = _levels(distance)
    falling = np.sort(distance[judged & changed]), np.sort(distance[judged & ~changed])
    # Of both classes, how many lie above each threshold.
    tp, fp = (each.size - np.searchsorted(each, levels, side="right") for each in falling)
    positives, total = falling[0].size, int(judged.sum())
    said = (tp + fp) / max(total, 1)
    betas = [beta for beta, _ in POINTS.values()]
    if not 0 < positives < total:
        nan = np.full(len(OFFSETS), np.nan)
        nothing = dict.fromkeys(betas, math.nan)
        return Figures(
            auc=math.nan, ap=math.nan, best=nothing, reached=dict.fromkeys(betas, nan), said=said
        )
    auc, ap, every = _curves(distance[judged], changed[judged])
    return Figures(
        auc=auc,
        ap=ap,
        best={beta: float(f_beta(*every, positives, beta).max()) for beta in betas},
        reached={beta: f_beta(tp, fp, positives, beta) for beta in betas},
        said=said,
    )


def _levels(distance: Float[np.ndarray, " pixel"]) -> Float[np.ndarray, " offset"]:
    """Thresholds of the consensus at each of `OFFSETS`."""
    histogram = Histogram()
    histogram.update(distance)
    if histogram.constant:
        return np.full(len(OFFSETS), histogram.ceiling)
    votes, rising = Consensus.of(histogram), np.sort(distance)
    shares = np.array([votes.share(offset) for offset in OFFSETS])
    # The same quantile as `Histogram.quantile`.
    levels = rising[np.ceil((1 - shares) * rising.size).astype(int).clip(1) - 1]
    return np.maximum(levels, FLOOR)


def _curves(
    score: Float[np.ndarray, " pixel"], changed: Bool[np.ndarray, " pixel"]
) -> tuple[float, float, tuple[np.ndarray, np.ndarray]]:
    """Area under the ROC curve, average precision, and counts above every threshold."""
    order = np.argsort(-score, kind="stable")
    hits = changed[order]
    ends = np.append(np.flatnonzero(np.diff(score[order])), score.size - 1)
    tp = np.cumsum(hits)[ends]
    fp = ends + 1 - tp
    recall, rate = (np.append(0, each / each[-1]) for each in (tp, fp))
    auc = float(np.diff(rate) @ (recall[1:] + recall[:-1]) / 2)
    return auc, float(np.diff(recall) @ (tp / (tp + fp))), (tp, fp)


def f_beta(
    tp: Float[np.ndarray, " cut"], fp: Float[np.ndarray, " cut"], positives: int, beta: float
) -> Float[np.ndarray, " cut"]:
    """(1 + β²) TP / (TP + FP + β² P)."""
    found: Float[np.ndarray, " cut"]
    found = (1 + beta**2) * tp / np.maximum(tp + fp + beta**2 * positives, 1)
    return found
