"""The estimate: exact where all is known, classical where it is simple, honest everywhere."""

from __future__ import annotations

import math
import time
from itertools import islice

import numpy as np
import pytest
from scipy import stats

from metriccd.review.estimate import Estimate, estimate
from metriccd.review.order import AREA, CHOSEN, FIRST, OBJECT, How, Queue


def queue_of(sizes: np.ndarray, seed: int = 0) -> Queue:
    """Ranks in the order of the places, and any other lots."""
    drawn = np.random.default_rng(seed).permutation(len(sizes))
    ranked = np.arange(len(sizes), dtype=np.int64)
    return Queue(ranked=ranked, drawn=drawn.astype(np.int64), ends=sizes.cumsum())


def answered(
    queue: Queue, truth: np.ndarray, first: int, objects: int, places: int = 0
) -> tuple[dict[int, bool], dict[int, How]]:
    """So many answers by rank, then so many of drawn objects and places, all of them true."""
    how: dict[int, How] = dict.fromkeys(queue.ranked[:first].tolist(), FIRST)
    for way, order, most in ((OBJECT, queue.drawn.tolist(), objects), (AREA, queue.hits(), places)):
        for place in order:
            if sum(each == way for each in how.values()) == most or len(how) == len(truth):
                break
            how.setdefault(place, way)
    return {place: bool(truth[place]) for place in how}, how


def test_what_is_wholly_known_is_no_estimate() -> None:
    sizes, truth = np.arange(1.0, 31.0), np.arange(30) % 3 > 0
    queue = queue_of(sizes)
    found = estimate(sizes, *answered(queue, truth, 10, 20), queue)
    assert found.count is not None
    assert found.area is not None
    assert found.count.value == found.count.low == found.count.high == pytest.approx(truth.mean())
    assert found.area.value == pytest.approx(sizes[truth].sum() / sizes.sum())
    assert found.area.low == found.area.high == found.area.value


def test_nothing_is_said_before_anything_was_answered() -> None:
    found = estimate(np.ones(30), {}, {}, queue_of(np.ones(30)))
    assert (found.known, found.count, found.area) == (0, None, None)


def test_before_anything_was_drawn_what_is_known_bounds_it() -> None:
    # 9 of 30 are known, 6 of them right: of the other 21 all may be right, or none.
    queue, truth = queue_of(np.ones(30)), np.arange(30) % 3 > 0
    found = estimate(np.ones(30), *answered(queue, truth, 9, 0), queue)
    for share in (found.count, found.area):
        assert share is not None
        assert (share.value, share.drawn) == (None, 0)
        assert (share.low, share.high) == pytest.approx((6 / 30, 27 / 30))


def test_one_answer_more_never_takes_the_bounds_away() -> None:
    # The first 20 are nearly all of the area, so that soon no place is drawn in what is left.
    sizes = np.where(np.arange(60) < 20, 100.0, 1.0)
    truth = np.arange(60) % 4 > 0
    queue, right, how = queue_of(sizes), {}, {}
    widths = []
    while turn := queue.next(how):
        how[turn.place], right[turn.place] = turn.how, bool(truth[turn.place])
        found = estimate(sizes, right, how, queue)
        assert found.area is not None
        widths.append(found.area.high - found.area.low)
        if found.known >= 20:
            assert widths[-1] <= (60 - found.known) / sizes.sum() + 1e-9
    assert widths[-1] == 0


@pytest.mark.parametrize(("objects", "places"), [(50, 0), (0, 50)])
def test_of_many_objects_it_is_the_exact_interval_of_a_simple_sample(
    objects: int, places: int
) -> None:
    count = 10**6
    queue, truth = queue_of(np.ones(count)), np.random.default_rng(5).random(count) < 0.8
    found = estimate(np.ones(count), *answered(queue, truth, 0, objects, places), queue)
    share = found.count if objects else found.area
    order = queue.drawn.tolist() if objects else list(islice(queue.hits(), 50))
    hits = int(truth[order[:50]].sum())
    ends = stats.binomtest(hits, 50).proportion_ci(method="exact")
    assert share is not None
    assert share.value == pytest.approx(hits / 50)
    assert (share.low, share.high) == pytest.approx((ends.low, ends.high), abs=1e-4)


def test_the_part_that_is_known_counts_as_it_is() -> None:
    # 10 of 100 are known, none of them right; of the other 90 five were drawn, all right.
    queue, truth = queue_of(np.ones(100)), np.arange(100) >= 10
    found = estimate(np.ones(100), *answered(queue, truth, 10, 5), queue)
    assert found.known == 10
    assert found.count is not None
    assert found.count.drawn == 5
    assert found.count.value == found.count.high == pytest.approx(0.9)
    # The fewest of the 90 of which five that are drawn are all right in more than 2.5 %.
    fewest = min(right for right in range(91) if math.comb(right, 5) / math.comb(90, 5) > 0.025)
    assert found.count.low == pytest.approx(fewest / 100)


def test_a_place_that_hits_an_object_again_counts_again() -> None:
    # The last object is nearly all of the area: asked once, it is drawn again and again.
    sizes = np.array([1.0, 9.0, 990.0])
    queue = queue_of(sizes)
    draws = list(islice(queue.hits(), 1000))
    until = draws.index(1) + 1
    assert draws.index(0) > until > 5
    found = estimate(sizes, {2: True, 1: False}, {2: AREA, 1: AREA}, queue)
    assert found.area is not None
    assert found.area.drawn == until
    assert found.area.value == pytest.approx((until - 1) / until)


@pytest.mark.parametrize("way", [OBJECT, AREA])
def test_who_looks_for_errors_does_not_change_the_estimate(way: How) -> None:
    sizes = np.random.default_rng(2).pareto(1.5, 300) + 1
    queue, truth = queue_of(sizes), np.arange(300) % 4 > 0
    right, how = answered(queue, truth, 12, 20, 20)
    before = estimate(sizes, right, how, queue)
    # Not those whose turn would come next: they would only be answered earlier.
    upcoming = [*range(40), *queue.drawn[:80].tolist(), *islice(queue.hits(), 400)]
    wrong = [n for n in np.flatnonzero(~truth).tolist() if n not in how and n not in upcoming]
    assert len(wrong) > 4
    right |= dict.fromkeys(wrong, False)
    how |= dict.fromkeys(wrong, CHOSEN)
    assert estimate(sizes, right, how, queue) == before
    # Nor is one counted that stands next, as long as nothing after it was asked.
    order = queue.drawn.tolist() if way == OBJECT else queue.hits()
    following = next(place for place in order if place not in how)
    right[following], how[following] = False, CHOSEN
    after = estimate(sizes, right, how, queue)
    drawn = "count" if way == OBJECT else "area"
    assert getattr(after, drawn) == getattr(before, drawn)


@pytest.mark.parametrize("chances", ["alike", "larger are surer", "larger are worse"])
@pytest.mark.parametrize(("first", "drawn"), [(0, 12), (40, 20)])
def test_intervals_hold_the_truth_as_often_as_they_say(
    chances: str, first: int, drawn: int
) -> None:
    random, count, rounds = np.random.default_rng(3), 300, 150
    hits = {"count": 0, "area": 0}
    for seed in range(rounds):
        sizes = random.pareto(1.3, count) + 1
        sizes = sizes[np.argsort(-sizes * random.random(count))]
        rank = stats.rankdata(sizes) / count
        chance = {"alike": 0.8, "larger are surer": 0.5 + 0.45 * rank}.get(
            chances, 0.95 - 0.4 * rank
        )
        truth = random.random(count) < chance
        queue = queue_of(sizes, seed)
        found = estimate(sizes, *answered(queue, truth, first, drawn, drawn), queue)
        known = {"count": truth.mean(), "area": sizes[truth].sum() / sizes.sum()}
        for name, value in known.items():
            share = getattr(found, name)
            assert share.low <= share.value <= share.high
            hits[name] += share.low - 1e-9 <= value <= share.high + 1e-9
    # Of 150 that hold in 95 %, fewer than 92 % do once in twenty times; these hold in more.
    assert min(hits.values()) / rounds >= 0.92


def test_it_is_all_that_json_can_hold() -> None:
    queue = queue_of(np.ones(9))
    found = estimate(np.ones(9), *answered(queue, np.ones(9, bool), 1, 3), queue)
    assert isinstance(found, Estimate)
    assert found.as_dict()["count"].keys() == {"value", "low", "high", "drawn"}


@pytest.mark.parametrize(("count", "drawn", "wrong"), [(10, 9, 1), (20, 18, 1), (60, 50, 3)])
def test_where_most_were_drawn_it_holds_as_often_as_it_says(
    count: int, drawn: int, wrong: int
) -> None:
    random, missed, told = np.random.default_rng(3), 0, 0
    for seed in range(400):
        queue, truth = queue_of(np.ones(count), seed), random.permutation(count) >= wrong
        found = estimate(np.ones(count), *answered(queue, truth, 0, drawn), queue).count
        if found is not None:
            missed += not found.low - 1e-9 <= truth.mean() <= found.high + 1e-9
            told += 1
    assert told > 300
    assert missed <= 0.05 * told


def test_it_is_as_quick_of_many_objects() -> None:
    size = 100_000
    queue = queue_of(np.ones(size))
    right, how = answered(queue, np.ones(size, bool), 50, 50)
    start = time.perf_counter()
    found = estimate(np.ones(size), right, how, queue).count
    assert time.perf_counter() - start < 1
    assert found is not None
    assert found.low == pytest.approx(0.025 ** (1 / 50), abs=0.001)
