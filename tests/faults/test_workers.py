"""Workers that die or stand still: their pair is tried again or given up, and others go on."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from batch.runs import NET, counts, entries, found_in, run, stamps
from faults.moments import MOMENTS, caught
from metriccd.batch import Cluster, cluster
from metriccd.errors import ClusterError
from raster_files import FILES


@pytest.mark.parametrize("moment", MOMENTS)
def test_what_a_killed_worker_had_is_found_by_another_as_if_nothing_had_been(
    moment: str, tmp_path: Path, crew: Cluster, undisturbed: dict[str, Any]
) -> None:
    manifest, out = undisturbed["manifest"], tmp_path / "out"
    with ThreadPoolExecutor() as pool:
        batch = pool.submit(run, manifest, out, crew)
        os.kill(caught(out, "b", moment), signal.SIGKILL)
        assert counts(batch.result(timeout=NET)) == (0, 3, 0, 0)
    assert {name: each["attempts"] for name, each in entries(out).items()}["b"] == 2
    assert found_in(out) == undisturbed["found"]
    assert not list(out.glob("pairs/.*"))
    assert {path.name for path in out.glob("pairs/b/*")} >= FILES - {"cluster.tif"}


def test_a_worker_that_stands_still_is_ended_after_the_timeout_and_others_finish(
    tmp_path: Path, crew: Cluster, undisturbed: dict[str, Any], patience: float
) -> None:
    manifest, out = undisturbed["manifest"], tmp_path / "out"
    with ThreadPoolExecutor() as pool:
        batch = pool.submit(run, manifest, out, crew, timeout=patience)
        process = caught(out, "a")
        standing = batch.result(timeout=NET)
    assert counts(standing) == (0, 2, 1, 0)
    assert standing.failures[0][0] == "a"
    assert "--timeout" in standing.failures[0][1]
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
    before = stamps(out)
    assert counts(run(manifest, out, crew)) == (2, 1, 0, 0)
    assert before.items() <= stamps(out).items()
    assert found_in(out) == undisturbed["found"]


def test_a_worker_that_stands_still_before_a_batch_begins_is_told_of(
    tmp_path: Path, crew: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    with crew.opened(tmp_path) as client:
        processes = list(client.run(os.getpid).values())
    monkeypatch.setattr(cluster, "SAY", 2.0)
    psutil.Process(processes[0]).suspend()
    try:
        with pytest.raises(ClusterError, match="must answer"), crew.opened(tmp_path):
            pass
    finally:
        psutil.Process(processes[0]).resume()
    with crew.opened(tmp_path) as client:
        assert len(client.run(os.getpid)) == 2
