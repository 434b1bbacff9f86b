"""The order: what matters most first, and lots that nothing but the place of an object decides."""

from __future__ import annotations

from dataclasses import fields, replace
from itertools import islice

import numpy as np
import pytest
from scipy import stats

from metriccd.review.estimate import estimate
from metriccd.review.order import AREA, CHOSEN, FIRST, OBJECT, Queue, lots, stakes
from viewed import boxes


def many(count: int = 2000):
    random = np.random.default_rng(1)
    sizes = [(int(w), int(h)) for w, h in random.integers(1, 12, (count, 2))]
    return boxes(sizes, random.exponential(1, count).tolist())


def test_of_equal_doubt_the_larger_and_of_equal_size_the_less_sure_is_first() -> None:
    objects = boxes([(2, 2), (9, 9), (9, 9), (3, 3)], [0.1, 0.1, 2.0, 0.1])
    assert Queue.of(objects).ranked.tolist() == [1, 2, 3, 0]
    # At the threshold itself it is even; nine times above it one in ten.
    even, sure = stakes(boxes([(1, 1), (2, 1)], [0.0, np.log(9)]))
    assert (even, sure) == (0.5, pytest.approx(0.2))


def test_every_second_one_is_drawn_by_turns_as_an_object_and_as_a_place() -> None:
    queue, answered = Queue.of(many(90)), {}
    for _ in range(90):
        turn = queue.next(answered)
        assert turn is not None
        answered[turn.place] = turn.how
    assert list(answered.values())[:12] == [FIRST, OBJECT, FIRST, AREA] * 3
    assert queue.next(answered) is None
    assert len(answered) == 90


def test_what_is_passed_comes_later_but_what_was_drawn_is_asked_until_it_is_answered() -> None:
    queue = Queue.of(many(20))
    first = queue.next({})
    assert first is not None
    second = queue.next({}, passed={first.place})
    assert second is not None
    assert second.place == queue.ranked[1]
    answered = {int(queue.ranked[0]): FIRST}
    drawn = queue.next(answered)
    assert drawn is not None
    assert drawn.how == OBJECT
    assert queue.next(answered, passed={drawn.place}) == drawn


def test_where_all_others_are_passed_one_is_drawn() -> None:
    queue = Queue.of(many(5))
    turn = queue.next({}, passed=set(range(5)))
    assert turn is not None
    assert (turn.place, turn.how) == (queue.drawn[0], OBJECT)


def test_places_hit_objects_in_proportion_to_their_areas() -> None:
    queue = Queue.of(boxes([(1, 1), (2, 5), (3, 3), (10, 8)], [0.0] * 4))
    counts = np.bincount(list(islice(queue.hits(), 20_000)), minlength=4)
    assert stats.chisquare(counts, 200 * np.array([1, 10, 9, 80])).pvalue > 0.01


def test_answers_by_choice_do_not_take_a_turn() -> None:
    queue = Queue.of(many(20))
    chosen = {int(place): CHOSEN for place in queue.ranked[5:9]}
    turn = queue.next(chosen)
    assert turn is not None
    assert (turn.place, turn.how) == (queue.ranked[0], FIRST)


def test_lots_are_uniform_and_have_nothing_to_do_with_size_or_place() -> None:
    objects = many()
    shares = lots(objects) / 2.0**64
    assert stats.kstest(shares, "uniform").pvalue > 0.01
    for column in (objects.pixels, objects.boxes[:, 0], objects.strength):
        assert abs(stats.spearmanr(shares, column).statistic) < 0.06


def test_an_object_keeps_its_lot_whatever_else_there_is() -> None:
    objects = many(300)
    some = np.arange(0, 300, 7)
    fewer = replace(
        objects,
        **{
            each.name: getattr(objects, each.name)[some]
            for each in fields(objects)
            if isinstance(getattr(objects, each.name), np.ndarray)
        },
    )
    assert (lots(fewer) == lots(objects)[some]).all()


def test_lots_are_the_same_on_every_machine() -> None:
    # Worked out with whole numbers of Python, which have no width.
    objects = boxes([(2, 3), (5, 1)], [0.0, 0.0])
    assert lots(objects).tolist() == [by_hand([0, 0, 2, 3, 6]), by_hand([4, 0, 9, 1, 5])]


def by_hand(numbers: list[int]) -> int:
    most = 2**64
    found = 0x9E3779B97F4A7C15
    for number in numbers:
        z = (found + number + 0x9E3779B97F4A7C15) % most
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) % most
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) % most
        found = z ^ (z >> 31)
    return found


@pytest.mark.parametrize("small", [1.0, 0.0])
def test_it_ends_where_nearly_all_the_area_is_one_object(small: float) -> None:
    objects = replace(boxes([(3, 3)] * 6, [0.0] * 6), sizes=np.array([1e12, *[small] * 5]))
    queue, answered = Queue.of(objects), {}
    while (turn := queue.next(answered)) is not None:
        answered[turn.place] = turn.how
        right = dict.fromkeys(answered, True)
        found = estimate(objects.sizes, right, answered, queue)
    assert len(answered) == 6
    assert found.count is not None
    assert found.count.low == 1
