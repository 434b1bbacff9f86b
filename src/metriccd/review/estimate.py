"""How much of a map is right, from the few objects that a person answered.

The objects that were looked at first are known. Of all others some were drawn, in two ways: each
object with the same chance, for the share of the objects; and places in their area, each with the
same chance, for the share of the area. What was drawn stands for what nobody looked at. So both are
estimates of a stratified sample with one stratum that is known as a whole (Olofsson et al. 2014,
section 4; Cochran 1977, chapter 5), and the intervals are those of Clopper and Pearson, which hold
at least as often as they say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64
from scipy import stats

from metriccd.review.order import AREA, OBJECT, How, Queue

LEVEL = 0.95


@dataclass(frozen=True, kw_only=True)
class Share:
    """A share of all objects, or of their area.

    Attributes:
        value: The estimate; None where nothing was drawn of what is not known.
        low, high: Ends of its 95 % interval; of no estimate, what it can be at least and at most.
        drawn: How many draws it is made of.
    """

    value: float | None
    low: float
    high: float
    drawn: int


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What answers tell of all objects.

    Attributes:
        objects: How many there are.
        known: Those looked at in the order of their rank without a gap.
        count: Share of the objects that is right; None where none is known and none was drawn.
        area: Share of their area that is right, likewise.
    """

    objects: int
    known: int
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
        queue: The orders in which they were asked.
    """
    known = np.zeros(len(sizes), bool)
    for place in queue.ranked.tolist():
        if place not in right:
            break
        known[place] = True
    ones = np.ones(len(sizes))
    objects, places = (
        _sample(order, way, known, right, how)
        for order, way in ((queue.drawn.tolist(), OBJECT), (queue.hits(), AREA))
    )
    # Objects are drawn without putting any back: the fewer are left, the more is known.
    others = int((~known).sum())
    return Estimate(
        objects=len(sizes),
        known=int(known.sum()),
        count=_share(ones, right, known, objects, others),
        area=_share(sizes, right, known, places),
    )


def _sample(
    order: Iterable[int],
    way: How,
    known: Bool[np.ndarray, " object"],
    right: Mapping[int, bool],
    how: Mapping[int, How],
) -> list[int]:
    """What was drawn so far of what is not known, without a gap; places may hit an object twice.

    The last one was asked: what was answered otherwise, and would come after it, is there because
    of what it is.
    """
    found: list[int] = []
    seen: set[int] = set()
    size = 0
    if len(right) == len(known):
        return found
    for place in order:
        if known[place]:
            continue
        if place not in right:
            break
        found.append(place)
        if how[place] == way and place not in seen:
            size = len(found)
        seen.add(place)
    return found[:size]


def _share(
    sizes: Float64[np.ndarray, " object"],
    right: Mapping[int, bool],
    known: Bool[np.ndarray, " object"],
    sample: list[int],
    others: int | None = None,
) -> Share | None:
    """Share of the sum of sizes that is right.

    Args:
        sizes: What each object counts.
        right: By place, whether an answered object is.
        known: Those that stand for themselves.
        sample: What stands for all others, each in proportion to its size.
        others: How many they are; None where draws are put back.
    """
    total = float(sizes.sum())
    whole = len(right) == len(sizes)
    if not total or not (whole or sample or known.any()):
        return None
    counted = np.ones(len(sizes), bool) if whole else known
    base = float(sum(sizes[place] for place in np.flatnonzero(counted).tolist() if right[place]))
    rest = 0.0 if whole else float(sizes[~known].sum())
    hits = sum(right[place] for place in sample)
    # Of what nobody drew all may be right, or none.
    low, high = _interval(hits, len(sample), others) if sample else (0.0, 1.0)
    value = hits / len(sample) if sample else 0.0
    share, least, most = ((base + rest * each) / total for each in (value, low, high))
    return Share(value=share if whole or sample else None, low=least, high=most, drawn=len(sample))


def _interval(hits: int, count: int, others: int | None) -> tuple[float, float]:
    """Ends of the interval of Clopper and Pearson for a share, of so many draws.

    Without putting back it is that of the hypergeometric distribution: the least and the most of
    the others that may be right, without what was drawn being less likely than a tail.
    """
    tail = (1 - LEVEL) / 2
    if others is not None:
        few = _least(hits, others, lambda right: stats.hypergeom.sf(hits - 1, others, right, count))
        misses = count - hits
        most = others - _least(
            misses, others, lambda wrong: stats.hypergeom.sf(misses - 1, others, wrong, count)
        )
        return few / others, most / others
    low = stats.beta.ppf(tail, hits, count - hits + 1) if hits else 0.0
    high = stats.beta.ppf(1 - tail, hits + 1, count - hits) if hits < count else 1.0
    return float(low), float(high)


def _least(seen: int, others: int, chance: Callable[[int], float]) -> int:
    """The least number of the others with which as many as were seen are no rarer than a tail.

    Args:
        seen: So many were drawn.
        others: Of how many.
        chance: Of drawing as many or more, by the number that there is; it grows with that.
    """
    low, high = seen, others
    while low < high:
        middle = (low + high) // 2
        if chance(middle) > (1 - LEVEL) / 2:
            high = middle
        else:
            low = middle + 1
    return low
