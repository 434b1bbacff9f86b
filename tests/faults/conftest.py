"""Processes that run commands, and good files for them."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dask
import pytest
from distributed import LocalCluster

from batch.pairs import crops
from batch.runs import counts, entries, found_in, run
from faults.cases import Case, good_files
from faults.good import DETECT, Good
from faults.verdict import Runner
from metriccd.batch import Cluster


@pytest.fixture(scope="session")
def runners(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Runner, ...]]:
    pair = tuple(Runner(tmp_path_factory.mktemp("faults") / "run") for _ in range(2))
    yield pair
    for runner in pair:
        runner.close()


@pytest.fixture(scope="session")
def good(
    data: Path, runners: tuple[Runner, ...], tmp_path_factory: pytest.TempPathFactory
) -> list[Good]:
    """Good files, of which a result is made first."""
    folder = tmp_path_factory.mktemp("good")
    first = next(each for each in good_files(data, folder) if each.kind == "tiff")
    named = {"{t1}": "in/t1.tif", "{t2}": "in/t2.tif"}
    arguments = tuple(named.get(part, part) for part in DETECT)
    case = Case(name="good", files=first.files, arguments=arguments, damage="none", pipes=())
    verdict = runners[0].run(case)
    assert not verdict.faults, verdict
    assert verdict.code == 0, verdict
    (runners[0].folder / "case/out").rename(folder / "result")
    return good_files(data, folder)


@pytest.fixture(scope="session")
def crew() -> Iterator[Cluster]:
    """Two real processes with nannies, which start again what dies."""
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0", host="127.0.0.1"
        ) as cluster,
    ):
        yield Cluster(scheduler=cluster.scheduler_address)


@pytest.fixture(scope="session")
def undisturbed(
    data: Path, crew: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """A manifest of three pairs, and what a batch of them finds that nothing disturbs."""
    folder = tmp_path_factory.mktemp("undisturbed")
    manifest = crops(data, folder / "in", "abc", side=96)
    assert counts(run(manifest, folder / "out", crew)) == (0, 3, 0, 0)
    slowest = max(each["seconds"] for each in entries(folder / "out").values())
    return {"manifest": manifest, "found": found_in(folder / "out"), "seconds": slowest}


@pytest.fixture
def patience(undisturbed: dict[str, Any]) -> float:
    """Seconds in which this machine, as busy as it is, surely does a pair."""
    return max(8.0, 10 * float(undisturbed["seconds"]))


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a server that takes calls and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        calls: list[socket.socket] = []

        def take() -> None:
            while True:
                try:
                    calls.append(server.accept()[0])
                except OSError:
                    return

        threading.Thread(target=take, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
        for call in calls:
            call.close()
