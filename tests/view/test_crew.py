"""The crew: work is done, faults come back, and threads close the files that they opened."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from metriccd.raster import Window, open_raster
from metriccd.view.crew import OPEN, Crew, kept
from raster_files import write


def test_results_and_faults_come_back() -> None:
    crew = Crew(2)
    futures = [crew.ask(lambda n=n: 10 // n) for n in (5, 0, 2)]
    assert futures[0].result(10) == 2
    with pytest.raises(ZeroDivisionError):
        futures[1].result(10)
    assert futures[2].result(10) == 5
    crew.close()


def test_what_is_open_is_closed_in_its_thread_the_longest_unused_first() -> None:
    told: list[tuple[str, int, int]] = []

    @contextmanager
    def opening(number: int) -> Iterator[int]:
        told.append(("open", number, threading.get_ident()))
        yield number
        told.append(("close", number, threading.get_ident()))

    crew = Crew(1)
    for number in [*range(OPEN), 0, OPEN, OPEN + 1]:
        found = crew.ask(lambda n=number: kept(n, lambda: opening(n))).result(10)
        assert found == number
    assert [each[:2] for each in told if each[0] == "close"] == [("close", 1), ("close", 2)]
    crew.close()
    assert len({each[2] for each in told}) == 1
    assert len([each for each in told if each[0] == "open"]) == OPEN + 2
    assert len([each for each in told if each[0] == "close"]) == OPEN + 2


def test_rasters_can_be_closed_in_any_order(tmp_path: Path) -> None:
    rasters = [
        open_raster(write(tmp_path / f"{n}.tif", np.full((1, 20, 30), n + 1, np.uint16)))
        for n in range(OPEN + 5)
    ]
    crew = Crew(2)

    def read(number: int) -> int:
        raster = rasters[number]
        pixels, _ = kept(number, lambda: raster.reader(raster.grid))(Window.whole((20, 30)))
        return int(pixels[0, 3, 4])

    for number in [*range(OPEN + 5), *range(OPEN + 5)]:
        assert crew.ask(lambda n=number: read(n)).result(10) == number + 1
    crew.close()
