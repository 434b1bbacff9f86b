"""What workers bring: pairs per minute with one and with two, one scene shared by both.

    OMP_NUM_THREADS=1 python benchmarks/batch.py SCRATCH [--only pairs overhead scene]
        [--pairs 24] [--side 300] [--preset fast] [--scene 10980] [--scene-preset fast]

Each worker has one thread. A table goes to standard error, JSON to standard output: pairs per
minute (from the first pair that is finished to the last: workers are warm then), milliseconds of a
small pair beyond `detect_into` in a warm process, and the seconds of a scene, from the first word
of a worker to the end.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from scenes import make_pair

from metriccd import detect_into
from metriccd.batch import Cluster, Manifest, Patience, Standing, cluster, run_batch
from metriccd.batch.manifest import Row
from metriccd.demo.synthetic import land_scene

# Small pairs: what they take is what is not of their size.
SMALL, MANY = 64, 40
WORKERS = (1, 2)


def make_pairs(folder: Path, count: int, side: int, preset: str) -> Manifest:
    folder.mkdir(parents=True)
    asked = {"preset": preset, "device": "cpu"}
    rows = []
    for number in range(count):
        scene = land_scene(side, side, seed=number)
        for date, image in (("t1", scene.t1), ("t2", scene.t2)):
            shown = np.clip(np.moveaxis(image[:3], 0, -1) / image.max() * 255, 1, 255)
            Image.fromarray(shown.astype(np.uint8)).save(folder / f"{number}-{date}.png")
        t1, t2 = (str(folder / f"{number}-{date}.png") for date in ("t1", "t2"))
        rows.append(Row(number=number, id=f"p{number}", t1=t1, t2=t2, shared=asked))
    return Manifest(rows=rows)


@contextlib.contextmanager
def single_threads(workers: int) -> Iterator[Cluster]:
    """Workers of one thread: a batch would divide all cores among them."""
    known = cluster.cores
    cluster.cores = lambda: workers
    try:
        yield Cluster(workers=workers, device="cpu")
    finally:
        cluster.cores = known


def measured(manifest: Manifest, out: Path, workers: int) -> float:
    """Seconds a pair, from the first that is finished to the last."""
    ends: list[float] = []

    def show(standing: Standing) -> None:
        ended = standing.done + standing.failed
        ends.extend([time.perf_counter()] * (ended - len(ends)))

    with single_threads(workers) as those:
        standing = run_batch(manifest, out, cluster=those, show=show)
    assert standing.failed == 0, standing.failures
    # As many as there are workers begin together.
    return (ends[-1] - ends[workers - 1]) / (len(ends) - workers)


def shared(manifest: Manifest, out: Path, workers: int, split: int) -> float:
    """Seconds of a scene, from when a worker has it."""
    begun: list[float] = []

    def show(standing: Standing) -> None:
        if standing.running and not begun:
            begun.append(time.perf_counter())

    with single_threads(workers) as those:
        patience = Patience(split=split)
        standing = run_batch(manifest, out, cluster=those, patience=patience, show=show)
        end = time.perf_counter()
    assert standing.failed == 0, standing.failures
    return end - begun[0]


def alone(manifest: Manifest, folder: Path) -> float:
    """Seconds for a pair in a process that is warm, on one thread."""
    torch.set_num_threads(1)
    seconds = []
    for row in manifest.rows:
        start = time.perf_counter()
        detect_into(folder / row.id, row.t1, row.t2, **row.arguments)
        seconds.append(time.perf_counter() - start)
    return statistics.mean(seconds[1:])


def of_pairs(scratch: Path, asked: argparse.Namespace) -> dict[str, Any]:
    pairs = make_pairs(scratch / "in", asked.pairs, asked.side, asked.preset)
    seconds = {n: measured(pairs, scratch / f"out{n}", n) for n in WORKERS}
    return {
        "pairs_per_minute": {n: round(60 / each, 2) for n, each in seconds.items()},
        "speedup": round(seconds[1] / seconds[2], 3),
    }


def of_overhead(scratch: Path, asked: argparse.Namespace) -> dict[str, Any]:
    small = make_pairs(scratch / "small", MANY, SMALL, asked.preset)
    own, batched = alone(small, scratch / "alone"), measured(small, scratch / "out-small", 1)
    return {
        "alone_ms": round(1000 * own, 1),
        "batched_ms": round(1000 * batched, 1),
        "overhead_ms": round(1000 * (batched - own), 1),
    }


def of_scene(scratch: Path, asked: argparse.Namespace) -> dict[str, Any]:
    folder = scratch / "scene"
    folder.mkdir(parents=True)
    t1, t2 = map(str, make_pair(folder, asked.scene))
    shared_by_all = {"preset": asked.scene_preset, "device": "cpu"}
    scene = Manifest(rows=[Row(number=1, id="scene", t1=t1, t2=t2, shared=shared_by_all)])
    # Whatever its size, it is split.
    split = asked.scene**2 - 1
    seconds = {n: shared(scene, scratch / f"scene{n}", n, split) for n in WORKERS}
    return {
        "side": asked.scene,
        "seconds": {n: round(each, 1) for n, each in seconds.items()},
        "speedup": round(seconds[1] / seconds[2], 3),
    }


MEASURES = {"pairs": of_pairs, "overhead": of_overhead, "scene": of_scene}


def table(found: dict[str, Any]) -> str:
    lines = ["| | 1 worker | 2 workers | |", "|---|---|---|---|"]
    if "pairs" in found:
        rate, speedup = found["pairs"]["pairs_per_minute"], found["pairs"]["speedup"]
        lines.append(f"| pairs per minute | {rate[1]} | {rate[2]} | {speedup} × |")
    if "scene" in found:
        took, speedup = found["scene"]["seconds"], found["scene"]["speedup"]
        side = f"{found['scene']['side']:,}"
        lines.append(f"| a scene of {side}², s | {took[1]} | {took[2]} | {speedup} × |")
    if "overhead" in found:
        each = found["overhead"]
        lines.append(f"| a small pair, ms | {each['batched_ms']} | | + {each['overhead_ms']} ms |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scratch", type=Path)
    parser.add_argument("--only", nargs="+", choices=MEASURES, default=list(MEASURES))
    parser.add_argument("--pairs", type=int, default=24)
    parser.add_argument("--side", type=int, default=300)
    parser.add_argument("--preset", default="fast")
    parser.add_argument("--scene", type=int, default=10_980, help="side of the scene, in pixels")
    parser.add_argument("--scene-preset", default="fast")
    asked = parser.parse_args()
    scratch = asked.scratch.absolute() / "metriccd-batch"
    shutil.rmtree(scratch, ignore_errors=True)
    found = {}
    for name in asked.only:
        found[name] = MEASURES[name](scratch, asked)
        print(table({name: found[name]}), file=sys.stderr, flush=True)
    print(table(found), file=sys.stderr)
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
