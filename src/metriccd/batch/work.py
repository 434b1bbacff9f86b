"""The work of one task: a pair is opened, detected, and told of in a few hundred bytes."""

from __future__ import annotations

import json
import math
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from traceback import format_exc
from typing import Any, TypeVar

from distributed import get_worker
from shapely.geometry import shape

from metriccd.batch.content import content_of, key_of, result_of, software
from metriccd.batch.thumbnail import draw_thumbnail
from metriccd.check import costs
from metriccd.detection import Plan, detect_into, do_tiles, prepare, requested
from metriccd.errors import (
    EXIT_BUG,
    NO_MEMORY,
    BusyError,
    MetricCDError,
    OutputError,
    fault_of,
    one_line,
)
from metriccd.methods import choose_preset, with_checkpoint
from metriccd.pair import ImagePair

T = TypeVar("T")
# Topic of the scheduler on which a worker tells that it begins a pair.
BEGINS = "metriccd-begins"
# Seconds in which a message surely leaves a worker.
BUNCH = 0.005
# What a pair may take: so many seconds, and so many times what is foretold of it. Foretold is a
# quiet machine, and a disk that answers.
PATIENCE, TIMES = 600.0, 20.0
# Seconds to wait for another process that makes the same result, and between two looks: a worker
# goes on with the pair of a command, or of a scheduler, that was killed.
WAIT, LOOK = 60.0, 0.5
# A process measures one pair at a time, on all its threads, however many tasks it is given.
_alone = threading.Lock()


@dataclass(frozen=True, kw_only=True)
class Task:
    """A pair for a worker.

    Attributes:
        id: Its name.
        t1: First image.
        t2: Second image.
        arguments: Of `detect_into`.
        folder: Where the result goes.
        thumbnail: Where its small picture goes.
        attempt: From 1.
        timeout: Seconds it may take; None for what is foretold, generously.
        split: Pixels above which the scene is shared out; None where it never is.
    """

    id: str
    t1: str
    t2: str
    folder: str
    thumbnail: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    attempt: int = 1
    timeout: float | None = None
    split: int | None = None

    @property
    def name(self) -> str:
        """What tells it from all other tasks."""
        return self.id


@dataclass(frozen=True, kw_only=True)
class Part:
    """Some tiles of a large scene for a worker.

    Attributes:
        id: Name of the pair.
        number: Of the part, in its pass over the scene.
        plan: What is to be done of the scene.
        tiles: Which of it.
        limit: Seconds it may take.
        attempt: From 1.
    """

    id: str
    number: int
    plan: Plan
    tiles: Sequence[int]
    limit: float
    attempt: int = 1

    @property
    def name(self) -> str:
        """What tells it from all other tasks: no id has a slash."""
        return f"{self.id}/{self.plan.name}/{self.number}"


def detect_pair(task: Task) -> dict[str, Any]:
    """Detects change in a pair, and returns the entry of the journal on it."""
    with _alone:
        started = time.monotonic()
        found = _guarded(lambda: _detected(task))
        return {"id": task.id, **found, "seconds": round(time.monotonic() - started, 3)}


def do_part(part: Part) -> dict[str, Any]:
    """Measures some tiles of a scene."""

    def work() -> dict[str, Any]:
        _tell(part, part.limit)
        do_tiles(part.plan, part.tiles)
        return {"status": "part"}

    with _alone:
        started = time.monotonic()
        return {"id": part.id, **_guarded(work), "seconds": round(time.monotonic() - started, 3)}


def foretell(task: Task) -> dict[str, Any]:
    """What a pair would take: its images are opened and nothing is read of them."""
    with _alone:
        found = _guarded(lambda: {"status": "ready", "seconds": seconds_of(task, _opened(task))})
        return {"id": task.id, **found}


def seconds_of(task: Task, pair: ImagePair) -> float:
    """How long a pair takes on a machine as this one is."""
    preset = task.arguments.get("preset", "default")
    known = {cost.preset: cost.seconds for cost in costs(pair.grid.shape, len(pair.t1.bands))}
    return known.get(preset, max(known.values()))


def _detected(task: Task) -> dict[str, Any]:
    _tell(task, task.timeout or PATIENCE)
    pair = _opened(task)
    limit = task.timeout or PATIENCE + TIMES * seconds_of(task, pair)
    _tell(task, limit)
    if task.split is not None and math.prod(pair.grid.shape) > task.split:
        plan = _after_others(prepare, task)
        if plan is not None:
            return {"status": "shared", "plan": plan, "limit": limit}
    # Before the images are read: one that is replaced meanwhile makes the result an old one.
    content = content_of(_files(task, pair))
    summary = _after_others(detect_into, task)
    folder = Path(task.folder)
    draw_thumbnail(folder, Path(task.thumbnail))
    return {
        "status": "done",
        "key": key_of(task.t1, task.t2, task.arguments),
        "content": content,
        "result": result_of(folder),
        "summary": summary,
        "footprint": _footprint(folder),
    }


def _after_others(work: Callable[..., T], task: Task) -> T:
    """Does something to the result of a task, after whoever makes it now."""
    until = time.monotonic() + WAIT
    while True:
        try:
            return work(task.folder, task.t1, task.t2, **task.arguments, overwrite=True)
        except BusyError:
            if time.monotonic() > until:
                raise
            time.sleep(LOOK)


def _guarded(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What the work returns, or how it failed, and whether another attempt may help."""
    try:
        return work()
    except OutputError as error:
        # Of all that is read nothing changes by itself; where it is written, something may.
        return _failed(str(error), again=True)
    except (MetricCDError, ValueError) as error:
        return _failed(str(error), again=False)
    except Exception as error:
        # One pair must not end the others. Disks and memory may be better off the next time.
        found = fault_of(error)
        again = isinstance(error, OSError) or NO_MEMORY in found.line
        failed = _failed(found.line.removeprefix("error: "), again=again)
        return failed | ({"traceback": format_exc()} if found.code == EXIT_BUG else {})


def _failed(line: str, *, again: bool) -> dict[str, Any]:
    return {"status": "failed", "error": one_line(line), "again": again}


def _tell(task: Task | Part, limit: float) -> None:
    """Says that this worker has a pair, and how long it may take from now on."""
    try:
        worker = get_worker()
    except ValueError:
        # Called without a cluster.
        return
    worker.log_event(
        BEGINS,
        {
            "name": task.name,
            "attempt": task.attempt,
            "worker": worker.address,
            "process": os.getpid(),
            "limit": limit,
        },
    )
    # What is told leaves in bunches: a file that ends the process at once must not swallow it.
    time.sleep(BUNCH)


def _opened(task: Task) -> ImagePair:
    """The pair of a task, after all that can be refused before pixels are read."""
    request, products = requested(task.folder, task.t1, task.t2, **task.arguments)
    preset = choose_preset(request.preset, request.method, request.threshold, request.direction)
    with_checkpoint(preset, request.checkpoint)
    # Clouds are found in pixels, which the detection does for itself.
    pair = replace(request, clouds=None).opened()
    products.check(pair.grid)
    return pair


def _files(task: Task, pair: ImagePair) -> list[str]:
    """All files that a pair is made of: those that are named, and those that these name."""
    others = (task.arguments.get(name) for name in ("aoi", "zones", "extractor", "checkpoint"))
    known = set(map(str, pair.files))
    known |= {
        name
        for name in (task.t1, task.t2, *others)
        if isinstance(name, str) and Path(name).exists()
    }
    return sorted(known)


def _footprint(folder: Path) -> str | None:
    """Where a result lies, as WKT in longitude and latitude; None where nobody knows."""
    item = json.loads((folder / "item.json").read_text(encoding="utf-8"))
    outline = item.get("geometry")
    return None if outline is None else shape(outline).wkt


def warm() -> None:
    """Pays once for what every pair needs."""
    software()
    costs((1, 1), 1)
