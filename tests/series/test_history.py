"""What happened to a pixel: of every course of states, what the definitions say."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest

from metriccd.series.history import (
    NEW,
    PERSISTENT,
    SAME,
    TRANSIENT,
    UNDONE,
    UNKNOWN,
    WORDS,
    Evidence,
    History,
    history,
    pairs_of,
)


def told(courses: list[str]) -> History:
    """What is made of courses such as "AAB-B", a letter for each image's state, - for a gap."""
    images = len(courses[0])
    pairs = pairs_of(images)
    change = np.zeros((len(pairs), 1, len(courses)), np.bool_)
    margin = np.full(change.shape, np.nan, np.float32)
    for column, course in enumerate(courses):
        for row, (i, j) in enumerate(pairs):
            if "-" not in course[i] + course[j]:
                change[row, 0, column] = course[i] != course[j]
                margin[row, 0, column] = 1 if course[i] != course[j] else -1
    return history(Evidence(pairs=pairs, change=change, margin=margin), images)


def expected(course: str) -> tuple[str, int, int, int]:
    """Of a course without gaps: what became of it, image of the first change, changes, alone.

    Written for one course, on letters: what the walk over arrays must come to.
    """
    kept, alone, judged = [0], 0, True
    for here in range(1, len(course)):
        before, after = course[kept[-1]], course[here + 1 : here + 2]
        # An image that is like an earlier one, over another that was left out, is not asked.
        if judged and after == before != course[here]:
            alone, judged = alone + 1, False
        else:
            kept, judged = [*kept, here], True
    moves = [b + 1 for a, b in pairwise(kept) if course[a] != course[b]]
    if not moves:
        return ("transient" if alone else "no change", 0, 0, alone)
    if moves == [len(course)]:
        return "new", moves[0], 1, alone
    word = "persistent" if course[0] != course[-1] else "undone"
    return word, moves[0], len(moves), alone


@pytest.mark.parametrize("images", [2, 3, 4, 5, 6])
def test_every_course_of_states_is_told_as_defined(images: int) -> None:
    courses = ["".join(each) for each in product("ABC", repeat=images)]
    found = told(courses)
    for column, course in enumerate(courses):
        word, first, changes, alone = expected(course)
        assert (
            WORDS[int(found.kind[0, column])],
            int(found.first[0, column]),
            int(found.changes[0, column]),
            int(found.transient[0, column]),
        ) == (word, first, changes, alone), course
    assert (found.observations == images).all()
    assert found.lasted.sum() == found.changes.sum()
    assert found.passed.sum() == found.transient.sum()
    # States are like each other or not: no comparison contradicts another.
    assert not found.torn.any()


@pytest.mark.parametrize(
    ("course", "kind", "first", "seen"),
    [
        ("A-BB", PERSISTENT, 3, 3),  # over a gap the other images tell
        ("AB-B", PERSISTENT, 2, 3),
        ("AB-A", TRANSIENT, 0, 3),  # the first and the last are always compared
        ("ABA-", TRANSIENT, 0, 3),
        ("-ABB", PERSISTENT, 3, 3),  # whether the last differs from the first nobody knows
        ("AA-B", NEW, 4, 3),
        ("A--B", NEW, 4, 2),
        ("A--A", SAME, 0, 2),
        ("A---", UNKNOWN, 0, 0),  # a single image, compared with nothing
        ("----", UNKNOWN, 0, 0),
        ("A-BAA", UNDONE, 3, 4),
    ],
)
def test_a_gap_is_bridged_where_images_beyond_it_were_compared(
    course: str, kind: int, first: int, seen: int
) -> None:
    found = told([course])
    assert (found.kind[0, 0], found.first[0, 0], found.observations[0, 0]) == (kind, first, seen)


def test_comparisons_that_contradict_each_other_are_counted() -> None:
    change = np.array(list(product([False, True], repeat=3))).T[:, None]
    margin = np.where(change, np.float32(1), np.float32(-1))
    found = history(Evidence(pairs=pairs_of(3), change=change, margin=margin), 3)
    # One of three pairs alone cannot differ: 001, 010, 100.
    assert found.torn.tolist() == [0, 3, 0]
    margin[0, 0, 1] = np.nan
    found = history(Evidence(pairs=pairs_of(3), change=change, margin=margin), 3)
    assert found.torn.tolist() == [0, 2, 0]


def three(**margins: float) -> tuple[int, int]:
    """Kind and first change of three images by the margins of one–two, two–three, one–three."""
    values = np.array([margins["near"], margins["then"], margins["across"]], np.float32)
    evidence = Evidence(
        pairs=pairs_of(3), change=values[:, None, None] > 0, margin=values[:, None, None]
    )
    found = history(evidence, 3)
    return int(found.kind[0, 0]), int(found.first[0, 0])


def test_of_comparisons_that_contradict_each_other_the_one_nearest_its_threshold_yields() -> None:
    # A change that neither returns nor stays: which of both was missed?
    assert three(near=1.0, then=-0.1, across=-2.0) == (TRANSIENT, 0)
    assert three(near=1.0, then=-2.0, across=-0.1) == (PERSISTENT, 2)
    # The same at the other end.
    assert three(near=-0.1, then=1.0, across=-2.0) == (TRANSIENT, 0)
    assert three(near=-2.0, then=1.0, across=-0.1) == (NEW, 3)
    # A change across that neither neighbor shows came between those that show more of it.
    assert three(near=-0.1, then=-0.5, across=1.0) == (PERSISTENT, 2)
    assert three(near=-0.5, then=-0.1, across=1.0) == (NEW, 3)
    assert three(near=-3.0, then=-2.0, across=0.1) == (NEW, 3)


def test_an_image_is_compared_with_the_next_two_and_the_first_with_the_last() -> None:
    assert pairs_of(2) == [(0, 1)]
    assert pairs_of(3) == [(0, 1), (1, 2), (0, 2)]
    assert len(pairs_of(12)) == 2 * 12 - 2
    assert (0, 11) in pairs_of(12)


def test_many_images_take_as_long_as_they_are_many() -> None:
    course = "A" * 100 + "B" * 100
    found = told([course, "A" * 200])
    assert found.kind[0].tolist() == [PERSISTENT, SAME]
    assert found.first[0].tolist() == [101, 0]
    assert found.observations[0].tolist() == [200, 200]
