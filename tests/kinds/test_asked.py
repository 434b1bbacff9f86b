"""Kinds as a user asks for them."""

from __future__ import annotations

import pytest

from metriccd.errors import DataError
from metriccd.kinds import KINDS, wanted_kinds


def test_no_kind_means_every_change() -> None:
    assert wanted_kinds(()) is None
    assert wanted_kinds("") is None


def test_names_and_their_opposite_part_all_kinds() -> None:
    kept, rest = wanted_kinds("built, cloud"), wanted_kinds(["!built", "!cloud"])
    assert kept is not None
    assert rest is not None
    assert kept.names == {"built", "cloud"}
    assert kept.names | rest.names == KINDS.keys()
    assert not kept.names & rest.names


@pytest.mark.parametrize("asked", ["town", "built,!cloud", "!"])
def test_what_means_nothing_is_refused(asked: str) -> None:
    with pytest.raises(ValueError, match="kind"):
        wanted_kinds(asked)


def test_only_water_alone_and_built_alone_are_decided_by_evidence() -> None:
    decided = {
        asked: wanted.by_evidence
        for asked in (
            "water-gained",
            "water-lost,water-gained",
            "built",
            "water-gained,built",
            "!built",
        )
        if (wanted := wanted_kinds(asked)) is not None
    }
    assert list(decided.values()) == [True, True, True, False, False]


def test_a_kind_that_the_bands_hide_is_refused_where_it_was_named() -> None:
    named, left = wanted_kinds("water-gained"), wanted_kinds("!seasonal")
    assert named is not None
    assert left is not None
    with pytest.raises(DataError, match="water-gained is not seen"):
        named.require(frozenset({"built"}))
    left.require(frozenset({"built"}))
