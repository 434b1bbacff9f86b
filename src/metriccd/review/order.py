"""The order in which objects are looked at: those that matter most, and some drawn at random."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from jaxtyping import Float64, Int64, UInt64

from metriccd.review.objects import Objects

# How an object came to be answered: by its rank, by lot, or because the person chose it.
How = Literal["first", "random", "chosen"]
FIRST: How = "first"
RANDOM: How = "random"
CHOSEN: How = "chosen"
# Of so many that are asked, one is drawn.
EVERY = 3


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
    """Two orders of all objects, both fixed before the first answer.

    Attributes:
        ranked: Places of the objects, those first of whose area most may be wrong.
        drawn: The same in an order that nothing but chance tells.
    """

    ranked: Int64[np.ndarray, " object"] = field(repr=False)
    drawn: Int64[np.ndarray, " object"] = field(repr=False)

    @classmethod
    def of(cls, objects: Objects) -> Queue:
        """The queue of all objects."""
        return cls(
            ranked=np.argsort(-stakes(objects), kind="stable").astype(np.int64),
            drawn=np.argsort(lots(objects), kind="stable").astype(np.int64),
        )

    def next(self, answered: Mapping[int, How], passed: Collection[int] = ()) -> Turn | None:
        """Whose turn it is; None when all are answered.

        Two of three are the next by rank, the third is the next by lot. One that was drawn is asked
        until it is answered: the estimate waits for it.

        Args:
            answered: By place, how it came to be.
            passed: Places that the person does not want to answer now.
        """
        asked = [how for how in answered.values() if how != CHOSEN]
        drawn = asked.count(RANDOM)
        by_lot = len(asked) - drawn >= (EVERY - 1) * (drawn + 1)
        ways: tuple[tuple[How, Int64[np.ndarray, " object"]], ...]
        ways = ((RANDOM, self.drawn), (FIRST, self.ranked))
        for how, order in ways if by_lot else ways[::-1]:
            left = () if how == RANDOM else passed
            for place in order.tolist():
                if place not in answered and place not in left:
                    return Turn(place, how)
        return None


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
    found = np.full(len(objects), 0x9E3779B97F4A7C15, np.uint64)
    numbers = np.column_stack([np.rint(objects.boxes), objects.pixels])
    for column in numbers.T.astype(np.int64).view(np.uint64):
        found = _mixed(found + column + np.uint64(0x9E3779B97F4A7C15))
    return found


def _mixed(value: UInt64[np.ndarray, " object"]) -> UInt64[np.ndarray, " object"]:
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        value = (value ^ (value >> np.uint64(shift))) * np.uint64(factor)
    return np.asarray(value ^ (value >> np.uint64(31)))
