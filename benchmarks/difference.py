"""Time and memory of every classical method on a 4,000 × 4,000 × 4 pair, streamed from files.

    python benchmarks/difference.py [--size 4000] [--methods irmad,cva]

Each method runs in a process of its own: fit (the passes over the pair) and apply (one pass), by
windows of 1,024 pixels. A pass is compared with a plain read of the same windows in the same
process.
Prints a Markdown table; ratios hold where seconds do not.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from affine import Affine

from metriccd import difference
from metriccd.pair.pair import read_pair
from metriccd.raster import CogLayer, Grid, cog_writer, crs_of

METHODS = [
    "image_diff",
    "image_ratio",
    "image_regr",
    "cva",
    "mahalanobis",
    "dpca",
    "pcda",
    "pca_kmeans",
    "mad",
    "irmad",
    "sfa",
    "isfa",
    "siroc",
]


def make_pair(folder: Path, size: int) -> tuple[Path, Path]:
    """Two uint16 scenes: correlated bands, another radiometry, 3 % changed."""
    grid = Grid(
        height=size, width=size, transform=Affine(10, 0, 0, 0, -10, 0), crs=crs_of("EPSG:32632")
    )
    layer = CogLayer(dtype="uint16", nodata=0, bands=tuple("1234"), overviews="average")
    paths = folder / "t1.tif", folder / "t2.tif"
    for date, path in enumerate(paths):
        with cog_writer(path, grid, layer) as write:
            for window in grid.windows(1024):
                land = np.random.default_rng((window.row, window.col))
                noise = np.random.default_rng((window.row, window.col, date))
                shape = (4, window.height, window.width)
                common = land.normal(0, 300, shape[1:])
                pixels = 2000 + common + 100 * land.standard_normal(shape)
                pixels += date * (50 + 0.1 * common) + 40 * noise.standard_normal(shape)
                if date:
                    pixels[:, land.random(shape[1:]) < 0.03] += 900
                write(window, pixels.clip(1, 10_000))
    return paths


def measure(name: str, t1: str, t2: str) -> dict[str, float]:
    blocks = read_pair(t1, t2).blocks(1024)
    start = time.perf_counter()
    for _ in blocks:
        pass
    read = time.perf_counter() - start
    passes = 0

    class Counted:
        def __iter__(self):
            nonlocal passes
            passes += 1
            yield from blocks

    start = time.perf_counter()
    fitted = getattr(difference, name)(Counted())
    fit = time.perf_counter() - start
    fit_passes, start = passes, time.perf_counter()
    for block in blocks:
        fitted.merge(fitted.apply(block.t1, block.t2))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "read": read,
        "fit": fit,
        "passes": fit_passes,
        "pass_over_read": fit / max(fit_passes, 1) / read,
        "apply": time.perf_counter() - start,
        "peak_mib": peak,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=4000)
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--measure", nargs=3)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(*arguments.measure)))
        return
    print("| method | passes | fit s | pass / read | apply s | peak MiB |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        paths = make_pair(Path(folder), arguments.size)
        for name in arguments.methods.split(","):
            command = [sys.executable, __file__, "--measure", name, *map(str, paths)]
            found = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
            shown = ("passes", "fit", "pass_over_read", "apply", "peak_mib")
            cells = " | ".join(f"{found[key]:.4g}" for key in shown)
            print(f"| {name} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
