"""How many of the objects are right, from the few that a person answered.

The objects that were looked at first are known. Of all others some were drawn at random, each with
the same chance: they stand for those that nobody looked at. So the estimate is that of a stratified
sample with one stratum that is known as a whole (Olofsson et al. 2014, section 4; Cochran 1977,
chapters 5 and 6). The interval is that of Korn and Graubard (1998): Clopper and Pearson's, with as
many answers as would be as good in a simple random sample.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64
from scipy import stats

from metriccd.review.order import RANDOM, How, Queue

LEVEL = 0.95


@dataclass(frozen=True, kw_only=True)
class Share:
    """A share of all objects, or of their area.

    Attributes:
        value: The estimate.
        low, high: Ends of its 95 % interval.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What answers tell of all objects.

    Attributes:
        objects: How many there are.
        known: Those looked at in the order of their rank without a gap.
        drawn: Of the others, those drawn at random.
        count: Share of the objects that is right; None with fewer than two drawn, unless all are
            known.
        area: Share of their area that is right, likewise.
    """

    objects: int
    known: int
    drawn: int
    count: Share | None
    area: Share | None

    def as_dict(self) -> dict[str, Any]:
        """What JSON can hold."""
        return asdict(self)


def estimate(
    sizes: Float64[np.ndarray, " object"],
    right: Mapping[int, bool],
    how: Mapping[int, How],
    queue: Queue,
) -> Estimate:
    """Estimates the share of right objects.

    Objects that were chosen, and not asked, count only where their turn has come: who looks for
    errors finds more of them than there are.

    Args:
        sizes: Area of each object.
        right: By place, whether an answered object is.
        how: By place, how it came to be answered.
        queue: The two orders.
    """
    known = np.zeros(len(sizes), bool)
    for place in queue.ranked.tolist():
        if place not in right:
            break
        known[place] = True
    sample = _sample(known, right, how, queue)
    weights = np.ones(len(sizes))
    values = [_share(each, right, known, sample) for each in (weights, sizes)]
    return Estimate(
        objects=len(sizes),
        known=int(known.sum()),
        drawn=len(sample),
        count=values[0],
        area=values[1],
    )


def _sample(
    known: Bool[np.ndarray, " object"],
    right: Mapping[int, bool],
    how: Mapping[int, How],
    queue: Queue,
) -> list[int]:
    """The objects drawn so far of those that are not known: without a gap, in the drawn order.

    The last one was asked: objects answered by choice beyond it are there because of what they are.
    """
    found: list[int] = []
    size = 0
    for place in queue.drawn[~known[queue.drawn]].tolist():
        if place not in right:
            break
        found.append(place)
        if how[place] == RANDOM:
            size = len(found)
    whole = len(found) == int((~known).sum())
    return found if whole else found[:size]


def _share(
    sizes: Float64[np.ndarray, " object"],
    right: Mapping[int, bool],
    known: Bool[np.ndarray, " object"],
    sample: list[int],
) -> Share | None:
    """Share of the sum of sizes that is right."""
    total = float(sizes.sum())
    if not total:
        return None
    base = float(sum(sizes[place] for place in np.flatnonzero(known).tolist() if right[place]))
    rest = float(sizes[~known].sum())
    if not rest:
        return Share(value=base / total, low=base / total, high=base / total)
    if len(sample) < 2:
        return None
    a = sizes[sample]
    y = np.array([right[place] for place in sample], np.float64)
    left = 1 - len(sample) / int((~known).sum())
    value = float(a @ y / a.sum())
    low, high = _interval(value, a, y, left)
    share, least, most = ((base + rest * each) / total for each in (value, low, high))
    return Share(value=share, low=least, high=most)


def _interval(
    value: float, a: Float64[np.ndarray, " answer"], y: Float64[np.ndarray, " answer"], left: float
) -> tuple[float, float]:
    """Ends of the interval of a ratio Σ a y / Σ a.

    Args:
        value: The ratio.
        a: Sizes of what was drawn.
        y: 1 where it is right.
        left: Share of the stratum that was not drawn.
    """
    if left <= 0:
        return value, value
    n = len(a)
    # As good as so many, were all of one size (Kish 1965), and as the scatter of the answers says.
    alike = float(a.sum() ** 2 / (a @ a))
    variance = n / (n - 1) * float((a**2) @ (y - value) ** 2) / float(a.sum()) ** 2
    scattered = value * (1 - value) / variance if variance > 0 else alike
    size = min(alike, scattered, float(n)) / left
    hits, tail = value * size, (1 - LEVEL) / 2
    low = stats.beta.ppf(tail, hits, size - hits + 1) if hits > 0 else 0.0
    high = stats.beta.ppf(1 - tail, hits + 1, size - hits) if hits < size else 1.0
    return float(low), float(high)
