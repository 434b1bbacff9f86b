"""Pairs per minute with one and with two workers of one thread, and what a pair costs beside.

python benchmarks/batch.py SCRATCH [--pairs 24] [--side 300] [--preset fast]
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import time
from pathlib import Path

import numpy as np
from PIL import Image

from metriccd import detect_into
from metriccd.batch import Cluster, Manifest, Standing, run_batch
from metriccd.batch.manifest import Row
from metriccd.demo.synthetic import land_scene

# Small pairs: what they take is what is not of their size.
SMALL, MANY = 32, 40
# The smallest side of a synthetic scene; smaller pairs are parts of it.
SCENE = 64


def make_pairs(folder: Path, count: int, side: int, preset: str) -> Manifest:
    folder.mkdir(parents=True)
    asked = {"preset": preset, "device": "cpu"}
    rows = []
    for number in range(count):
        scene = land_scene(max(side, SCENE), max(side, SCENE), seed=number)
        for date, image in (("t1", scene.t1), ("t2", scene.t2)):
            part = np.moveaxis(image[:3, :side, :side], 0, -1)
            shown = np.clip(part / image.max() * 255, 1, 255)
            Image.fromarray(shown.astype(np.uint8)).save(folder / f"{number}-{date}.png")
        t1, t2 = (str(folder / f"{number}-{date}.png") for date in ("t1", "t2"))
        rows.append(Row(number=number, id=f"p{number}", t1=t1, t2=t2, shared=asked))
    return Manifest(rows=rows)


def measured(manifest: Manifest, out: Path, workers: int) -> float:
    """Seconds from the first pair that is finished to the last: workers are warm then."""
    ends: list[float] = []

    def show(standing: Standing) -> None:
        ended = standing.done + standing.failed
        ends.extend([time.perf_counter()] * (ended - len(ends)))

    standing = run_batch(manifest, out, cluster=Cluster(workers=workers, device="cpu"), show=show)
    assert standing.failed == 0
    # As many as there are workers begin together.
    return (ends[-1] - ends[workers - 1]) / (len(ends) - workers)


def alone(manifest: Manifest, folder: Path) -> float:
    """Seconds for a pair in a process that is warm, the median."""
    seconds = []
    for row in manifest.rows:
        start = time.perf_counter()
        detect_into(folder / row.id, row.t1, row.t2, **row.arguments)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scratch", type=Path)
    parser.add_argument("--pairs", type=int, default=24)
    parser.add_argument("--side", type=int, default=300)
    parser.add_argument("--preset", default="fast")
    asked = parser.parse_args()
    scratch = asked.scratch / "metriccd-batch"
    shutil.rmtree(scratch, ignore_errors=True)
    pairs = make_pairs(scratch / "in", asked.pairs, asked.side, asked.preset)
    seconds = {n: measured(pairs, scratch / f"out{n}", n) for n in (1, 2)}
    small = make_pairs(scratch / "small", MANY, SMALL, asked.preset)
    own, batched = alone(small, scratch / "alone"), measured(small, scratch / "out-small", 1)
    found = {
        "pairs_per_minute": {n: round(60 / each, 2) for n, each in seconds.items()},
        "speedup": round(seconds[1] / seconds[2], 3),
        "overhead_ms": round(1000 * (batched - own), 1),
    }
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
