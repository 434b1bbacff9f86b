"""A scheduler that dies: the batch ends in one line, or goes on where there is one again."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from distributed import Client

from batch.pairs import crops
from batch.runs import NET, counts, entries, found_in, kill_session, run, stamps, started
from faults.moments import caught
from metriccd.batch import Cluster
from metriccd.batch.journal import JOURNAL
from metriccd.errors import ClusterError

pytestmark = pytest.mark.slow


@pytest.fixture
def address() -> str:
    """Of a scheduler that is not there yet, and may be there again."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"tcp://127.0.0.1:{server.getsockname()[1]}"


@contextlib.contextmanager
def dask(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A program of Dask, as an administrator starts it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "dask", *arguments, "--host", "127.0.0.1", "--no-dashboard"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        kill_session(process)


@contextlib.contextmanager
def crew_at(address: str) -> Iterator[subprocess.Popen[str]]:
    """Yields a scheduler that has a worker."""
    port = address.rpartition(":")[2]
    with dask("scheduler", "--port", port) as process, dask("worker", address, "--nthreads", "1"):
        with Client(address, timeout=NET, set_as_default=False) as client:
            client.wait_for_workers(1, timeout=NET)
        yield process


def test_without_its_scheduler_a_batch_ends_in_one_line_and_another_one_goes_on(
    data: Path, tmp_path: Path, address: str
) -> None:
    manifest, out = crops(data, tmp_path / "in", "abcde"), tmp_path / "out"
    options = ("--preset", "fast", "--scheduler", address)
    with crew_at(address) as scheduler, started(manifest, out, *options) as process:
        caught(out, "d")
        kill_session(scheduler)
        told, words = process.communicate(timeout=NET)
    assert (process.returncode, told) == (3, ""), words
    assert words.splitlines()[-1].startswith("error: the scheduler must stay")
    assert "Traceback" not in words
    before = stamps(out)
    known = {name for name, each in entries(out).items() if each["status"] == "done"}
    assert known
    assert "d" not in known
    with crew_at(address), started(manifest, out, *options) as process:
        told, words = process.communicate(timeout=NET)
    assert process.returncode == 0, words
    assert json.loads(told)["kept"] == len(known)
    after = stamps(out)
    assert {name: after[name] for name in known} == {name: before[name] for name in known}
    assert set(after) == set("abcde")


def test_a_scheduler_that_stands_still_ends_the_batch_in_one_line(
    data: Path, tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("metriccd.batch.cluster.STILL", 10.0)
    monkeypatch.setattr("metriccd.batch.cluster.LOST", 10.0)
    manifest, out = crops(data, tmp_path / "in", "abc"), tmp_path / "out"
    with ThreadPoolExecutor() as pool, crew_at(address) as scheduler:
        batch = pool.submit(run, manifest, out, Cluster(scheduler=address))
        os.kill(caught(out, "b"), signal.SIGCONT)
        os.killpg(scheduler.pid, signal.SIGSTOP)
        with pytest.raises(ClusterError, match="the scheduler must answer"):
            batch.result(timeout=NET)
        with pytest.raises(ClusterError, match="--scheduler must answer"):
            run(manifest, out, Cluster(scheduler=address))
        os.killpg(scheduler.pid, signal.SIGCONT)
        standing = run(manifest, out, Cluster(scheduler=address))
    assert standing.kept + standing.done == 3


def test_a_scheduler_that_is_there_again_gets_the_rest(
    data: Path, tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # However long this machine takes to start one.
    for name in ("run", "cluster"):
        monkeypatch.setattr(f"metriccd.batch.{name}.LOST", NET)
    manifest, out = crops(data, tmp_path / "in", "abcdef"), tmp_path / "out"
    with ThreadPoolExecutor() as pool, contextlib.ExitStack() as stack:
        first = stack.enter_context(crew_at(address))
        batch = pool.submit(run, manifest, out, Cluster(scheduler=address))
        process = caught(out, "d")
        kill_session(first)
        # What it has, it ends, and has nobody to tell it to.
        os.kill(process, signal.SIGCONT)
        stack.enter_context(crew_at(address))
        assert counts(batch.result(timeout=NET)) == (0, 6, 0, 0)
    # Nothing that was told of was done again.
    assert len((out / JOURNAL).read_text().splitlines()) == 6
    assert len(found_in(out)["rows"]) == 6
