"""How far a batch goes: 100,000 pairs that cost nothing, on 1,000 workers in a few processes.

python benchmarks/scheduler.py SCRATCH [--pairs 100000] [--workers 1000] [--processes 2]
    [--seconds 0] [--browser chromium]

All but the detection is real: the manifest, the loop of `run_batch`, a Dask scheduler in a process
of its own, messages over TCP, journal, summary and page. Workers say that they begin, wait
SECONDS, and write what later runs look for; then the same batch is run again, where nothing is
left to do, and its page is opened in a browser.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import multiprocessing
import resource
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dask
import psutil
from distributed import Scheduler, Worker

from metriccd.batch import INDEX, SUMMARY, Cluster, Grammar, Manifest, read_manifest, run_batch
from metriccd.batch import work as real
from metriccd.batch.content import content_of, key_of, result_of
from metriccd.batch.journal import JOURNAL, Journal
from metriccd.batch.place import Place
from metriccd.batch.standing import Standing
from metriccd.batch.summary import write_summary
from metriccd.batch.work import Task
from metriccd.cli.options import READERS, arguments_of
from metriccd.output import RECORD

MIB = 2**20
# What a thousand workers in one process would do all day is to watch themselves.
QUIET = {
    "distributed.worker.profile.enabled": False,
    "distributed.admin.system-monitor.interval": "60s",
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.tick.limit": "1h",
    "distributed.worker.http.routes": [],
    "distributed.worker.use-file-locking": False,
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": False,
    "distributed.comm.timeouts.connect": "300s",
}
# What a real pair says, word for word.
FOUND = {
    "changed_pixels": 10011,
    "valid_pixels": 90000,
    "changed_share": 0.11123333333333334,
    "area_m2": 9007722.572170986,
    "objects": 32,
    "threshold": 0.5,
    "rule": "consensus",
    "certainty": "the rules agree: alone they say 9.6 % to 27 % changed; of what they say "
    "together, anything between 5.4 % and 22 % may be as good",
    "warnings": [
        "nothing tells which bands are red, green and blue: the first three, 1, 2, 3, were shown "
        "as such; --rgb or --band-names says otherwise"
    ],
}
STARTS = 25


def make_pairs(folder: Path, count: int) -> Path:
    """A manifest, and files of a few bytes."""
    folder.mkdir(parents=True)
    lines = ["id,t1,t2,min_pixels,country"]
    for number in range(count):
        name = f"{number:06d}"
        for date in "ab":
            (folder / f"{name}{date}.tif").write_text(name + date)
        lines.append(f"tile-{name},{name}a.tif,{name}b.tif,{number % 5},France")
    manifest = folder / "pairs.csv"
    manifest.write_text("\n".join(lines) + "\n")
    return manifest


def stub(seconds: float) -> Callable[[Task], dict[str, Any]]:
    """What takes the place of `detect_pair`."""

    def run(task: Task) -> dict[str, Any]:
        started = time.monotonic()
        for limit in (600.0, 620.0):
            real._tell(task, limit)
        content = content_of([task.t1, task.t2])
        time.sleep(seconds)
        record = Path(task.folder) / RECORD
        record.parent.mkdir(parents=True, exist_ok=True)
        record.touch()
        number = int(Path(task.t1).name[:6])
        west, south = -4 + number % 400 * 0.03, 42 + number // 400 * 0.03
        east, north = west + 0.0291234567890123, south + 0.0291234567890123
        return {
            "id": task.id,
            "status": "done",
            "key": key_of(task.t1, task.t2, task.arguments),
            "content": content,
            "result": result_of(task.folder),
            "summary": FOUND,
            "footprint": f"POLYGON (({east} {south}, {east} {north}, {west} {north}, "
            f"{west} {south}, {east} {south}))",
            "seconds": round(time.monotonic() - started, 3),
        }

    return run


def be_scheduler(port: int) -> None:
    async def main() -> None:
        async with Scheduler(host="127.0.0.1", port=port, dashboard=False) as scheduler:
            await scheduler.finished()

    logging.disable(logging.CRITICAL)
    asyncio.run(main())


def be_workers(address: str, count: int, seconds: float, scratch: str) -> None:
    """Workers in this process; each has its own connections and threads."""

    async def main() -> None:
        workers = [
            Worker(
                address,
                nthreads=1,
                dashboard=False,
                local_directory=scratch,
                memory_limit=0,
                host="127.0.0.1",
            )
            for _ in range(count)
        ]
        for first in range(0, count, STARTS):
            await asyncio.gather(*(worker.start() for worker in workers[first : first + STARTS]))
        await asyncio.gather(*(worker.finished() for worker in workers))

    logging.disable(logging.CRITICAL)
    # By this name the client sends what is to be run.
    real.detect_pair = stub(seconds)
    asyncio.run(main())


class Watch:
    """Samples memory and processor time of this process, the scheduler, and the workers."""

    def __init__(self, processes: dict[str, list[psutil.Process]]) -> None:
        self.processes = processes
        self.samples: list[dict[str, float]] = []
        self.begun = time.perf_counter()
        self.since = self.cpu()
        self.done = 0

    def cpu(self) -> dict[str, float]:
        return {
            name: sum(sum(each.cpu_times()[:2]) for each in known)
            for name, known in self.processes.items()
        }

    def __call__(self, standing: Standing) -> None:
        now = time.perf_counter() - self.begun
        if self.samples and now - self.samples[-1]["seconds"] < 2 and standing.left:
            return
        memory = {
            f"{name}_mib": round(sum(each.memory_info().rss for each in known) / MIB)
            for name, known in self.processes.items()
        }
        if standing.done and not self.done:
            self.first, self.done = now, standing.done
        self.samples.append({"seconds": round(now, 1), "done": standing.done, **memory})
        print(self.samples[-1], file=sys.stderr, flush=True)

    def found(self) -> dict[str, Any]:
        last = self.samples[-1]
        seconds = last["seconds"] - self.first
        return {
            "until_first_s": round(self.first, 1),
            "seconds": round(seconds, 1),
            "pairs_per_s": round((last["done"] - self.done) / max(seconds, 1e-9), 1),
            "cpu_s": {k: round(v - self.since[k], 1) for k, v in self.cpu().items()},
            "along": self.samples[:: max(len(self.samples) // 10, 1)] + self.samples[-1:],
        }


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    start = time.perf_counter()
    return work(), round(time.perf_counter() - start, 2)


def rss() -> float:
    return psutil.Process().memory_info().rss / MIB


def manifest_of(path: Path, out: Path) -> Manifest:
    grammar = Grammar(readers=READERS, arguments=arguments_of, defaults={"preset": "fast"})
    return read_manifest(path, grammar, items=out / "items")


def run(manifest: Manifest, out: Path, asked: argparse.Namespace) -> dict[str, Any]:
    """The batch on workers that do nothing."""
    port, scratch = free_port(), str(asked.scratch / "workers")
    address = f"tcp://127.0.0.1:{port}"
    share = -(-asked.workers // asked.processes)
    fork = multiprocessing.get_context("fork")
    scheduler = fork.Process(target=be_scheduler, args=(port,), daemon=True)
    others = [
        fork.Process(target=be_workers, args=(address, share, asked.seconds, scratch), daemon=True)
        for _ in range(asked.processes)
    ]
    start = time.perf_counter()
    for each in (scheduler, *others):
        each.start()
    try:
        wait_for(address, share * asked.processes)
        ready = round(time.perf_counter() - start, 1)
        print(f"workers are there after {ready} s", file=sys.stderr, flush=True)
        watch = Watch(
            {
                "client": [psutil.Process()],
                "scheduler": [psutil.Process(scheduler.pid)],
                "workers": [psutil.Process(each.pid) for each in others],
            }
        )
        standing = run_batch(manifest, out, cluster=Cluster(scheduler=address), show=watch)
        watch(standing)
        assert (standing.failed, standing.left) == (0, 0)
        return {"workers": share * asked.processes, "workers_ready_s": ready, **watch.found()}
    finally:
        for each in (*others, scheduler):
            each.kill()
            each.join()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def wait_for(address: str, workers: int) -> None:
    """Until all workers are there, from a process of its own: this one's memory is measured."""
    code = (
        "import sys, distributed as d; c = d.Client(sys.argv[1], timeout=120); "
        "c.wait_for_workers(int(sys.argv[2]), timeout=600)"
    )
    subprocess.run([sys.executable, "-c", code, address, str(workers)], check=True)


def opened(browser: str, page: Path, picture: Path) -> float:
    """Seconds until a browser has drawn a page, and ended."""
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--window-size=1400,1000"]
    command += [f"--screenshot={picture}", page.as_uri()]
    return timed(lambda: subprocess.run(command, check=True, capture_output=True, timeout=300))[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scratch", type=Path)
    parser.add_argument("--pairs", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=1000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=0.0, help="that a pair takes")
    parser.add_argument("--browser", default=shutil.which("chromium"))
    asked = parser.parse_args()
    asked.scratch = asked.scratch.absolute() / "metriccd-scheduler"
    shutil.rmtree(asked.scratch, ignore_errors=True)
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    path, out = make_pairs(asked.scratch / "in", asked.pairs), asked.scratch / "out"
    real.warm()
    before = rss()
    manifest, seconds = timed(lambda: manifest_of(path, out))
    found: dict[str, Any] = {
        "pairs": asked.pairs,
        "manifest": {"seconds": seconds, "mib": round(rss() - before, 1)},
    }
    with dask.config.set(QUIET):
        found["run"] = run(manifest, out, asked)
    standing, seconds = timed(lambda: run_batch(manifest, out))
    assert standing.kept == asked.pairs
    found["rerun"] = {"seconds": seconds}
    found |= written(manifest, out, asked.browser)
    print(json.dumps(found, indent=1))


def written(manifest: Manifest, out: Path, browser: str | None) -> dict[str, Any]:
    """Journal, summary and page, each on its own."""
    found: dict[str, Any] = {}
    journal, seconds = timed(lambda: Journal(out))
    with journal, Place.opened(out) as place:
        entry = journal.find(manifest.rows[0].id)
        _, adding = timed(lambda: [journal.add(entry) for _ in range(2000)])
        found["journal"] = {
            "mib": round((out / JOURNAL).stat().st_size / MIB, 1),
            "open_s": seconds,
            "lines_per_s": round(2000 / adding),
        }
        _, seconds = timed(lambda: write_summary(manifest.rows, journal, place))
    page = out / INDEX
    found["summary"] = {
        "seconds": seconds,
        "parquet_mib": round((out / SUMMARY).stat().st_size / MIB, 1),
        "page_mib": round(page.stat().st_size / MIB, 1),
    }
    if browser is not None:
        (out.parent / "empty.html").write_text("<p>nothing")
        picture = out.parent / "page.png"
        found["browser_s"] = {
            "page": min(opened(browser, page, picture) for _ in range(3)),
            "nothing": min(opened(browser, out.parent / "empty.html", picture) for _ in range(3)),
        }
    return found


if __name__ == "__main__":
    main()
