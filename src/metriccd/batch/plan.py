"""The plan of a batch: every pair's images are opened, and nothing is read or written."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from distributed import as_completed

from metriccd.batch.cluster import Cluster
from metriccd.batch.manifest import Manifest
from metriccd.batch.standing import Standing
from metriccd.batch.work import Task, foretell

# Tasks that a cluster has at a time.
AHEAD = 64


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a batch would be.

    Attributes:
        pairs: How many.
        ready: How many of them can be opened.
        refused: Name and line of those that cannot.
        seconds: What all would take, on as many workers.
        workers: Processes there are.
    """

    pairs: int
    ready: int
    refused: list[tuple[str, str]] = field(default_factory=list)
    seconds: float
    workers: int


def plan_batch(
    manifest: Manifest, *, cluster: Cluster | None = None, show: Callable[[Standing], None]
) -> Plan:
    """Opens every pair's images, on all workers.

    Raises:
        ClusterError: There are no workers.
        OutputError: Items of a collection cannot be written.
    """
    standing = Standing(total=len(manifest.rows))
    rows = iter(manifest.rows)
    total, refused = 0.0, list[tuple[str, str]]()
    manifest.write_items()
    with (
        tempfile.TemporaryDirectory(prefix="metriccd-") as scratch,
        (cluster or Cluster()).opened(Path(scratch)) as client,
    ):
        standing.workers = len(client.nthreads())

        names: dict[object, str] = {}

        def submit() -> Any:
            row = next(rows, None)
            if row is None:
                return None
            task = Task(
                id=row.id, t1=row.t1, t2=row.t2, arguments=row.arguments, folder="", thumbnail=""
            )
            future = client.submit(foretell, task, pure=False)
            names[future.key] = row.id
            return future

        first = [each for _ in range(AHEAD) if (each := submit()) is not None]
        ended = as_completed(first, loop=client.loop)
        for future in ended:
            found: dict[str, Any] = {
                "status": "failed",
                "error": "its worker died while it was opened",
            }
            if future.status == "finished":
                found = future.result()
            name = names.pop(future.key)
            if found["status"] == "ready":
                standing.done += 1
                total += found["seconds"]
            else:
                standing.fail(name, found["error"])
                refused.append((name, found["error"]))
            more = submit()
            if more is not None:
                ended.add(more)
            show(standing)
    return Plan(
        pairs=standing.total,
        ready=standing.done,
        refused=refused,
        seconds=total / max(standing.workers, 1),
        workers=standing.workers,
    )
