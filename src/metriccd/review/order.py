"""The order in which objects are looked at: those that matter most, and some drawn at random."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from jaxtyping import Float64, Int64, UInt64

from metriccd.review.objects import Objects

# How an object came to be answered: by its rank; drawn among all objects; because a place drawn in
# the area of all lies in it; or because the person chose it.
How = Literal["first", "object", "area", "chosen"]
FIRST: How = "first"
OBJECT: How = "object"
AREA: How = "area"
CHOSEN: How = "chosen"
# Whose turn it is, again and again.
ROUND: tuple[How, ...] = (FIRST, OBJECT, FIRST, AREA)
# Places that are drawn at once, and at most: where nearly all the area is answered, hardly any
# would come to lie in the rest.
DRAWS, MOST = 1024, 2**17
STEP = 0x9E3779B97F4A7C15


@dataclass(frozen=True)
class Turn:
    """What is asked next.

    Attributes:
        place: Of the object in its columns.
        how: Why it is its turn.
    """

    place: int
    how: How


@dataclass(frozen=True, kw_only=True, eq=False)
class Queue:
    """Three orders of all objects, all fixed before the first answer.

    Attributes:
        ranked: Places of the objects, those first of whose area most may be wrong.
        drawn: The same in an order that nothing but chance tells.
        ends: Where each object ends, were the areas of all laid end to end.
    """

    ranked: Int64[np.ndarray, " object"] = field(repr=False)
    drawn: Int64[np.ndarray, " object"] = field(repr=False)
    ends: Float64[np.ndarray, " object"] = field(repr=False)

    @classmethod
    def of(cls, objects: Objects) -> Queue:
        """The queue of all objects."""
        return cls(
            ranked=np.argsort(-stakes(objects), kind="stable").astype(np.int64),
            drawn=np.argsort(lots(objects), kind="stable").astype(np.int64),
            ends=objects.sizes.cumsum(),
        )

    def hits(self) -> Iterator[int]:
        """Objects in which places lie that are drawn in the area of all, one after another."""
        for first in range(0, MOST if len(self.ends) else 0, DRAWS):
            numbers = np.arange(first, first + DRAWS, dtype=np.uint64) * np.uint64(STEP)
            places = _mixed(numbers + np.uint64(STEP)) / 2.0**64 * self.ends[-1]
            found = np.searchsorted(self.ends, places, side="right")
            yield from np.minimum(found, len(self.ends) - 1).tolist()

    def next(self, answered: Mapping[int, How], passed: Collection[int] = ()) -> Turn | None:
        """Whose turn it is; None when all are answered.

        One that was drawn is asked until it is answered: the estimate waits for it.

        Args:
            answered: By place, how it came to be.
            passed: Places that the person does not want to answer now.
        """
        if len(answered) >= len(self.ranked):
            return None
        asked = sum(how != CHOSEN for how in answered.values())
        way = ROUND[asked % len(ROUND)]
        if way == FIRST:
            ranked = (place for place in self.ranked.tolist() if place not in answered)
            place = next((each for each in ranked if each not in passed), None)
            if place is not None:
                return Turn(place, FIRST)
            # All others are passed: what was drawn cannot be.
            way = OBJECT
        if way == AREA:
            place = next((place for place in self.hits() if place not in answered), None)
            if place is not None:
                return Turn(place, AREA)
        return Turn(next(place for place in self.drawn.tolist() if place not in answered), OBJECT)


def stakes(objects: Objects) -> Float64[np.ndarray, " object"]:
    """Pixels that may be wrong: those of an object times a guess at how likely it is no change.

    The guess is ½ where its distances are as large as the threshold, and falls as they grow:
    1 / (1 + distance / threshold).
    """
    doubt = 1 / (1 + np.exp(np.clip(objects.strength, -50, 50)))
    return np.asarray(objects.pixels * doubt, np.float64)


def lots(objects: Objects) -> UInt64[np.ndarray, " object"]:
    """A number for each object that only depends on where it is, and looks random.

    So it is the same on every machine, and an object keeps it under another threshold. The mixing
    is that of SplitMix64 (Steele, Lea & Flood 2014).
    """
    found = np.full(len(objects), STEP, np.uint64)
    numbers = np.column_stack([np.rint(objects.boxes), objects.pixels])
    for column in numbers.T.astype(np.int64).view(np.uint64):
        found = _mixed(found + column + np.uint64(STEP))
    return found


def _mixed(value: UInt64[np.ndarray, " object"]) -> UInt64[np.ndarray, " object"]:
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        value = (value ^ (value >> np.uint64(shift))) * np.uint64(factor)
    return np.asarray(value ^ (value >> np.uint64(31)))
