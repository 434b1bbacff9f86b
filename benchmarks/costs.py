"""What `metriccd check` foretells: seconds and memory of presets, by size and number of bands.

    python benchmarks/costs.py

Each run is a process of its own, as `metriccd detect` is one, on synthetic land of 3 and 13 bands,
600² and 2,000² pixels. Seconds are of the processor, so that other programs do not count, and
times the rate of this machine's convolutions: `check` divides by the rate where it runs. The last
line holds the constants of `metriccd.check.cost`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine

from metriccd.check.cost import convolution_rate
from metriccd.demo.synthetic import land_scene
from metriccd.raster import CogLayer, Grid, Window, crs_of
from metriccd.raster.cog import tiled_writer

SIZES, BANDS, PRESETS = (600, 2000), (3, 13), ("fast", "default")
BLOCK = 1000

RUN = """
import json, resource, sys
from metriccd.detection import detect_into
from metriccd.stages import peak_mib
detect_into(sys.argv[1], sys.argv[2], sys.argv[3], preset=sys.argv[4], bands="all", overwrite=True)
used = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({"seconds": used.ru_utime + used.ru_stime, "mib": peak_mib()}))
"""


def main() -> None:
    runs = []
    with tempfile.TemporaryDirectory() as folder:
        for size in SIZES:
            for bands in BANDS:
                pair = make_pair(Path(folder), size, bands)
                for preset in PRESETS:
                    run = {"size": size, "bands": bands, "preset": preset}
                    runs.append(run | run_once(pair, Path(folder) / "out", preset))
                    print(json.dumps(runs[-1]), flush=True)
    print(json.dumps({preset: fitted(runs, preset) for preset in PRESETS}))


def make_pair(folder: Path, size: int, bands: int) -> tuple[Path, Path]:
    """Blocks of land side by side; its four bands again and again, each with noise of its own."""
    random = np.random.default_rng(size + bands)
    grid = Grid(
        height=size,
        width=size,
        transform=Affine(10, 0, 600_000, 0, -10, 5_300_000),
        crs=crs_of("EPSG:32632"),
    )
    names = tuple(f"band {number + 1}" for number in range(bands))
    layer = CogLayer(dtype="uint16", nodata=0, bands=names, overviews="average")
    paths = folder / "t1.tif", folder / "t2.tif"
    with tiled_writer(paths[0], grid, layer) as one, tiled_writer(paths[1], grid, layer) as other:
        for seed, window in enumerate(grid.windows(BLOCK)):
            scene = land_scene(BLOCK, BLOCK, seed=seed)
            for write, image in ((one, scene.t1), (other, scene.t2)):
                write(window, _many(image, bands, window, random))
    return paths


def _many(image: np.ndarray, bands: int, window: Window, random: np.random.Generator) -> np.ndarray:
    part = np.resize(image, (bands, BLOCK, BLOCK))[..., : window.height, : window.width]
    return (part + random.normal(0, 5, part.shape)).clip(1).astype(np.uint16)


def run_once(pair: tuple[Path, Path], out: Path, preset: str) -> dict[str, Any]:
    """Detects in a process of its own; the rate is that of the moments before and after."""
    command = [sys.executable, "-c", RUN, str(out), str(pair[0]), str(pair[1]), preset]
    before = convolution_rate()
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    cost = json.loads(found.stdout.splitlines()[-1])
    return cost | {"rate": (before + convolution_rate()) / 2}


def fitted(runs: list[dict[str, Any]], preset: str) -> dict[str, list[float]]:
    """Work whatever the size, for each megapixel, and for each megapixel and band; memory too."""
    rows = [run for run in runs if run["preset"] == preset]
    megapixels = np.array([run["size"] ** 2 / 1e6 for run in rows])
    bands = np.array([run["bands"] for run in rows])
    terms = np.stack([np.ones(len(rows)), megapixels, megapixels * bands], axis=1)
    work = np.array([run["seconds"] * run["rate"] for run in rows])
    mib = np.array([run["mib"] for run in rows])
    return {
        "work": [round(float(value), 1) for value in np.linalg.lstsq(terms, work)[0]],
        "mib": [round(float(value), 1) for value in np.linalg.lstsq(terms, mib)[0]],
    }


if __name__ == "__main__":
    main()
