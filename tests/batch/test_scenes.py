"""Large scenes: parts for all workers, and the pair goes on when all of them are done."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from metriccd.batch.scenes import EACH, Scenes
from metriccd.batch.work import Task
from metriccd.detection import Plan
from metriccd.detection.calls import requested
from metriccd.detection.inputs import Inputs

PLAN = Plan(
    request=requested("out", "1", "2")[0],
    inputs=Inputs(files=(), weights=None, elsewhere=()),
    work=Path("work"),
    key="",
    software=(),
    name="measure",
    remaining=(),
)
TASK = Task(id="a", t1="1", t2="2", folder="out", thumbnail="t")


def entry(tiles: int, name: str = "measure") -> dict:
    plan = replace(PLAN, name=name, remaining=tuple(range(5, 5 + tiles)))
    return {"plan": plan, "limit": 9.0, "seconds": 2.0}


def test_every_tile_is_in_one_part_and_neighbors_stay_together() -> None:
    for tiles in (1, 2, 7, 100):
        scenes = Scenes()
        scenes.share(TASK, entry(tiles), workers=4)
        found = [tile for part in scenes.parts for tile in part.tiles]
        assert found == list(range(5, 5 + tiles))
        assert len(scenes.parts) <= EACH * 4
        assert len({part.name for part in scenes.parts}) == len(scenes.parts)


def test_the_pair_goes_on_after_its_last_part() -> None:
    scenes = Scenes()
    scenes.share(TASK, entry(6), workers=2)
    parts = [scenes.parts.popleft() for _ in range(len(scenes.parts))]
    assert scenes.counts() == (0, 6)
    assert [scenes.end(part, 1.0) for part in parts] == [None] * 5 + [TASK]
    assert scenes.counts() == (6, 6)
    scenes.share(TASK, entry(1, "kinds"), workers=2)
    assert scenes.end(scenes.parts.popleft(), 1.0) is TASK
    assert scenes.forget("a") == 2 + 6 + 2 + 1
    assert not scenes.knows("a")
    assert scenes.counts() == (0, 0)


def test_a_pair_that_failed_leaves_no_parts_and_those_that_end_later_do_no_harm() -> None:
    scenes = Scenes()
    scenes.share(TASK, entry(6), workers=2)
    running = scenes.parts.popleft()
    scenes.forget("a")
    assert not scenes.parts
    assert scenes.end(running, 1.0) is None
