"""Tiles beside each other: in order, a few at a time, and torch's threads given back."""

from __future__ import annotations

import threading
import time

import pytest
import torch

from metriccd.scene.workers import WORKERS, map_ahead, workers


@pytest.fixture(autouse=True)
def four_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


def test_results_come_in_order_whichever_is_ready_first() -> None:
    def late(number: int) -> int:
        time.sleep(0.02 if number % 2 == 0 else 0)
        return number

    with workers(8) as pool:
        assert list(map_ahead(late, range(8), pool=pool)) == list(range(8))


def test_workers_share_the_threads_and_give_them_back() -> None:
    both = threading.Barrier(WORKERS)

    def threads(_number: int) -> int:
        both.wait(timeout=10)  # so that neither does it all
        return torch.get_num_threads()

    with workers(WORKERS) as pool:
        assert set(map_ahead(threads, range(WORKERS), pool=pool)) == {4 // WORKERS}
    assert torch.get_num_threads() == 4


def test_one_task_has_all_threads() -> None:
    with workers(1) as pool:
        assert pool.submit(torch.get_num_threads).result() == 4


def test_no_more_is_taken_than_is_worked_on() -> None:
    taken: list[int] = []

    def given():
        for number in range(20):
            taken.append(number)
            yield number

    with workers(20) as pool:
        found = map_ahead(lambda number: number, given(), pool=pool, ahead=2)
        next(found)
        assert len(taken) == 3


def test_what_fails_in_a_worker_fails_here() -> None:
    def fail(number: int) -> int:
        raise ValueError(f"no {number}")

    with pytest.raises(ValueError, match="no 0"), workers(3) as pool:
        list(map_ahead(fail, range(3), pool=pool))
    assert torch.get_num_threads() == 4
