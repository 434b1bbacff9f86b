"""Batches as tests run them: in this process, or as the command, and what is left of them."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import geopandas as gpd
import rasterio

from metriccd.batch import SUMMARY, Cluster, Grammar, Patience, Standing, read_manifest, run_batch
from metriccd.batch.journal import JOURNAL
from metriccd.cli.options import READERS, arguments_of

FAST = {"preset": "fast", "device": "cpu"}
# Seconds after which a test that hangs is given up; no guarantee, and no machine, needs them.
NET = 900.0
COMMAND = (sys.executable, "-m", "metriccd")
# What differs between two runs that find the same.
PASSING = ("seconds", "attempts")


def run(manifest: Path, out: Path, workers: Cluster, **said: object) -> Standing:
    """A batch in this process."""
    told = {name: said.pop(name) for name in ("timeout", "split") if name in said}
    patience = Patience(**told)
    grammar = Grammar(readers=READERS, arguments=arguments_of, defaults=FAST | said)
    remote = bool(said.get("allow_remote"))
    pairs = read_manifest(manifest, grammar, items=out / "items", allow_remote=remote)
    return run_batch(pairs, out, cluster=workers, patience=patience)


def counts(standing: Standing) -> tuple[int, int, int, int]:
    return standing.kept, standing.done, standing.failed, standing.left


def stamps(out: Path) -> dict[str, tuple[int, int]]:
    """What tells a result from one that was written again: inode and date of its record."""
    found = {path.parent.name: path.stat() for path in out.glob("pairs/*/run.json")}
    return {name: (each.st_ino, each.st_mtime_ns) for name, each in found.items()}


def entries(out: Path) -> dict[str, dict[str, Any]]:
    """The last line of the journal on each pair."""
    lines = map(json.loads, (out / JOURNAL).read_text().splitlines())
    return {each["id"]: each for each in lines}


def found_in(out: Path) -> dict[str, Any]:
    """What a batch found: pixels of all rasters, and rows of the summary."""
    table = gpd.read_parquet(out / SUMMARY)
    rows = table.drop(columns=[*PASSING]).astype(str).to_dict("records")
    return {"rows": rows} | pixels(out / "pairs")


def pixels(folder: Path) -> dict[str, str]:
    """Digests of the pixels of all scores and maps below a folder."""
    found = {}
    for path in sorted(folder.rglob("*.tif")):
        if path.name in {"score.tif", "change.tif", "kind.tif"}:
            with rasterio.open(path) as dataset:
                digest = hashlib.sha256(dataset.read().tobytes()).hexdigest()
            found[path.relative_to(folder).as_posix()] = digest
    return found


@contextlib.contextmanager
def started(manifest: Path, out: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """The command itself, with workers of its own, in a session of its own as in a terminal."""
    arguments = ("batch", str(manifest), "-o", str(out), "--json", *options)
    own = () if "--scheduler" in options else ("--workers", "1")
    with commanded(*arguments, *own) as process:
        yield process


@contextlib.contextmanager
def commanded(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Any command in a session of its own, all of which is gone when the block ends."""
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        kill_session(process)
        process.stdout.close()
        process.stderr.close()


def kill_session(process: subprocess.Popen[str]) -> None:
    """Kills a process and all that it started, at once, as the end of a machine does."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def until(met: Callable[[], object], seconds: float = NET, pause: float = 0.02) -> None:
    """Waits for something to be so."""
    end = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(pause)
