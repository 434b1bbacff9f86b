"""A scheduler that dies: the batch ends in one line, or goes on where there is one again."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from batch.pairs import crops
from batch.runs import entries, found_in, kill_session, stamps, started, until
from metriccd.batch.journal import JOURNAL

pytestmark = pytest.mark.slow


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextlib.contextmanager
def dask(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A program of Dask, as an administrator starts it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "dask", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        kill_session(process)


def scheduler(port: int) -> contextlib.AbstractContextManager[subprocess.Popen[str]]:
    return dask("scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard")


def worker(port: int) -> contextlib.AbstractContextManager[subprocess.Popen[str]]:
    address = f"tcp://127.0.0.1:{port}"
    return dask("worker", address, "--nthreads", "1", "--no-dashboard", "--host", "127.0.0.1")


def lines(out: Path) -> int:
    return len((out / JOURNAL).read_text().splitlines()) if (out / JOURNAL).exists() else 0


def test_without_its_scheduler_a_batch_ends_in_one_line_and_another_one_goes_on(
    data: Path, tmp_path: Path
) -> None:
    manifest, out = crops(data, tmp_path / "in", "abcdefgh"), tmp_path / "out"
    port = free_port()
    options = ("--preset", "fast", "--scheduler", f"tcp://127.0.0.1:{port}")
    with scheduler(port) as first, worker(port), started(manifest, out, *options) as process:
        until(lambda: lines(out) >= 2)
        kill_session(first)
        told, words = process.communicate(timeout=120)
    assert (process.returncode, told) == (3, ""), words
    assert words.splitlines()[-1].startswith("error: the scheduler must stay")
    assert "Traceback" not in words
    before = stamps(out)
    known = {name for name, each in entries(out).items() if each["status"] == "done"}
    assert 2 <= len(known) < 8
    with scheduler(port), worker(port), started(manifest, out, *options) as process:
        told, words = process.communicate(timeout=240)
    assert process.returncode == 0, words
    assert json.loads(told)["kept"] == len(known)
    after = stamps(out)
    assert {name: after[name] for name in known} == {name: before[name] for name in known}
    assert set(after) == set("abcdefgh")


def test_a_scheduler_that_is_there_again_soon_gets_the_rest(data: Path, tmp_path: Path) -> None:
    manifest, out = crops(data, tmp_path / "in", "abcdef"), tmp_path / "out"
    port = free_port()
    options = ("--preset", "fast", "--scheduler", f"tcp://127.0.0.1:{port}")
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(scheduler(port))
        stack.enter_context(worker(port))
        process = stack.enter_context(started(manifest, out, *options))
        until(lambda: lines(out) >= 2)
        kill_session(first)
        stack.enter_context(scheduler(port))
        stack.enter_context(worker(port))
        told, words = process.communicate(timeout=240)
    assert process.returncode == 0, words
    assert json.loads(told)["done"] == 6
    # Nothing that was told of was done again.
    assert lines(out) == 6
    assert len(found_in(out)["rows"]) == 6
