"""Detection on scenes of growing size: seconds, megapixels a second, memory, and the roofline.

    python benchmarks/scenes.py -o docs/performance.json     # or: make bench

Scenes are synthetic, four bands of uint16, made on the fly; each run is a process of its own, as
`metriccd detect` is one. Figures are ratios measured in this run: the time of a stage against what
this machine's own convolutions reach, the time of a size against that of the one before.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from affine import Affine
from matplotlib.figure import Figure
from torch import nn
from torch.nn import functional

from metriccd.demo.synthetic import land_scene
from metriccd.nets.embedded import WIDTHS, MetricExtractor
from metriccd.nets.features import load_extractor
from metriccd.nets.precision import autocast, place
from metriccd.raster import CogLayer, Grid, crs_of
from metriccd.raster.cog import tiled_writer
from metriccd.recipe.feature_distance import level_distances
from metriccd.recipe.fusion import Look, fit_fusion
from metriccd.recipe.guidance import guided
from metriccd.scene.measure import TILE
from metriccd.scene.workers import WORKERS, map_ahead, workers

SIZES = (512, 1024, 2000, 4000, 8000, 10_980)
BLOCK = 1024
SEEDS = 6

RUN = """
import json, sys, time
start = time.perf_counter()
from metriccd.detection import detect_into
from metriccd.stages import peak_mib
detect_into(sys.argv[1], sys.argv[2], sys.argv[3], preset=sys.argv[4], overwrite=True)
seconds = time.perf_counter() - start
print(json.dumps({"seconds": seconds, "peak_mib": peak_mib()}))
"""


def main() -> None:
    arguments = parse()
    result: dict[str, Any] = {
        "machine": {
            "cores": os.cpu_count(),
            "processor": platform.processor() or platform.machine(),
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
        },
        "roofline": roofline(),
        "runs": [],
    }
    with tempfile.TemporaryDirectory(dir=arguments.scratch) as folder:
        for size in arguments.sizes:
            pair = make_pair(Path(folder), size)
            for preset in arguments.presets:
                run = run_once(pair, Path(folder) / "out", preset, size)
                result["runs"].append(run)
                print(json.dumps({key: run[key] for key in run if key != "stages"}), flush=True)
                arguments.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
            for path in pair:
                path.unlink()
    plot(result, arguments.out.with_suffix(".png"))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("-o", "--out", type=Path, default=Path("performance.json"))
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--presets", nargs="+", default=("fast", "default"))
    parser.add_argument("--scratch", type=Path, help="folder for scenes: 2 GB for the largest")
    return parser.parse_args()


def make_pair(folder: Path, size: int) -> tuple[Path, Path]:
    """A scene of size × size pixels: blocks of land, turned and put together at random."""
    random = np.random.default_rng(size)
    scenes = [land_scene(BLOCK, BLOCK, seed=seed) for seed in range(SEEDS)]
    grid = Grid(
        height=size,
        width=size,
        transform=Affine(10, 0, 600_000, 0, -10, 5_300_000),
        crs=crs_of("EPSG:32632"),
    )
    layer = CogLayer(dtype="uint16", nodata=0, bands=scenes[0].bands, overviews="average")
    paths = folder / "t1.tif", folder / "t2.tif"
    with tiled_writer(paths[0], grid, layer) as one, tiled_writer(paths[1], grid, layer) as other:
        for window in grid.windows(BLOCK):
            scene, turns = scenes[random.integers(SEEDS)], int(random.integers(4))
            part = (..., slice(window.height), slice(window.width))
            for write, image in ((one, scene.t1), (other, scene.t2)):
                write(window, np.rot90(image, turns, (-2, -1))[part])
    return paths


def run_once(pair: tuple[Path, Path], out: Path, preset: str, size: int) -> dict[str, Any]:
    """Detects in a process of its own."""
    command = [sys.executable, "-c", RUN, str(out), str(pair[0]), str(pair[1]), preset]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    cost = json.loads(found.stdout.splitlines()[-1])
    record = json.loads((out / "run.json").read_text(encoding="utf-8"))
    return {
        "size": size,
        "preset": preset,
        "seconds": round(cost["seconds"], 2),
        "megapixels_per_second": round(size**2 / 1e6 / cost["seconds"], 3),
        "peak_mib": round(cost["peak_mib"]),
        "objects_share": record["changed_pixels"] / record["valid_pixels"],
        "stages": record["stages"],
    }


def roofline() -> dict[str, Any]:
    """What convolutions and copies reach here, and what share of that the stages of a tile do."""
    network = load_extractor("embedded")
    assert isinstance(network, MetricExtractor)
    best = {
        f"{width}→{width}": convolution_rate(width, 512 >> level)
        for level, width in enumerate(WIDTHS)
    }
    folded = place(network.folded(), "cpu").eval()
    side = TILE + 120
    dates = torch.rand(2, 3, side, side)
    flops = 2 * side**2 * flops_of(network)
    seconds = beside(lambda: level_distances(folded, dates))
    reached = flops / seconds / 1e9
    attainable = flops_of(network) / sum(
        level_flops / best[f"{width}→{width}"]
        for (level_flops, width) in zip(flops_by_level(network), WIDTHS, strict=True)
    )
    return {
        "convolution_gflops": {name: round(rate) for name, rate in best.items()},
        "attainable_gflops": round(attainable),
        "inference_gflops": round(reached),
        "inference_share": round(reached / attainable, 3),
        "copy_gb_per_second": round(copy_rate(), 1),
        "stages_ns_per_pixel": stage_costs(),
    }


def convolution_rate(width: int, side: int) -> float:
    """GFLOP/s of a 3×3 convolution in the layout and precision that inference uses."""
    layer = place(nn.Conv2d(width, width, 3, padding=1), "cpu")
    with torch.inference_mode(), autocast("cpu"):
        image = torch.rand(1, width, side, side).contiguous(memory_format=torch.channels_last)
        image = functional.relu(layer(image))
        seconds = timed(lambda: layer(image), repeat=20)
    return 2 * 9 * width**2 * side**2 / seconds / 1e9


def convolutions(network: MetricExtractor) -> list[tuple[int, nn.Conv2d]]:
    """Every convolution and its level, the first being 0."""
    return [
        (level, layer)
        for level, block in enumerate(network.blocks)
        for layer in block.modules()
        if isinstance(layer, nn.Conv2d)
    ]


def flops_by_level(network: MetricExtractor) -> list[float]:
    """Of one date, per pixel of the scene."""
    flops = [0.0] * len(network.blocks)
    for level, layer in convolutions(network):
        flops[level] += 2 * layer.weight.numel() / 4**level
    return flops


def flops_of(network: MetricExtractor) -> float:
    return sum(flops_by_level(network))


def copy_rate() -> float:
    """GB/s read and written by a copy larger than the cache."""
    one = torch.rand(2**26)
    other = torch.empty_like(one)
    return 8 * one.numel() / timed(lambda: other.copy_(one)) / 1e9


def stage_costs() -> dict[str, float]:
    """Nanoseconds per pixel of what is done to a tile, beside another one; context not counted."""
    side = TILE
    block = land_scene(BLOCK, BLOCK, seed=1)
    tiled = [
        np.tile(image.astype(np.float32), (1, 2, 2))[:, :side, :side]
        for image in (block.t1, block.t2)
    ]
    valid = np.ones((side, side), bool)
    fitted = replace(
        fit_fusion([(*tiled, valid)], rgb=(0, 1, 2), extractor=load_extractor("embedded")),
        whole=None,  # or the tile would not be measured again
    )
    with torch.inference_mode():
        direction = fitted.appeared or fitted.disappeared
        assert direction is not None
        seen = {"rgb": (0, 1, 2), "network": fitted.network, "device": "cpu"}
        part, plain = fitted.plain(*tiled, valid, **seen)
        evidence = direction(*tiled, valid, **seen)
        look = Look(evidence, evidence, plain, part)
        stages: dict[str, Callable[[], object]] = {
            "plain difference": lambda: fitted.plain(*tiled, valid, **seen),
            "color": lambda: direction.ranged(*tiled, valid),
            "prediction": lambda: direction.prediction.residuals(part.t1, part.t2),
            "features": lambda: level_distances(fitted.network, part.dates((0, 1, 2))),
            "one direction": lambda: direction(*tiled, valid, **seen),
            "both, guidance included": lambda: look.merged(look.logs(1.0), 1.0, 0.5),
            "guidance": lambda: guided(plain, part.t1, part.t2, part.valid),
            "all": lambda: fitted(*tiled, valid),
        }
        return {name: round(beside(stage) / side**2 * 1e9, 1) for name, stage in stages.items()}


def beside(work: Callable[[], object]) -> float:
    """Seconds a call takes where tiles are measured beside each other, over their number."""

    def one(_number: int) -> object:
        with torch.inference_mode():
            return work()

    with workers(WORKERS) as pool:
        return timed(lambda: list(map_ahead(one, range(WORKERS), pool=pool))) / WORKERS


def timed(work: Callable[[], object], repeat: int = 3) -> float:
    """Seconds a call takes, the fastest of three rounds."""
    work()
    rounds = []
    for _ in range(3):
        start = time.perf_counter()
        for _ in range(repeat):
            work()
        rounds.append((time.perf_counter() - start) / repeat)
    return min(rounds)


def plot(result: dict[str, Any], path: Path) -> None:
    """Seconds and memory over megapixels."""
    figure = Figure(figsize=(11, 4), dpi=100, layout="constrained")
    seconds, memory = figure.subplots(1, 2)
    for preset in dict.fromkeys(run["preset"] for run in result["runs"]):
        runs = [run for run in result["runs"] if run["preset"] == preset]
        megapixels = [run["size"] ** 2 / 1e6 for run in runs]
        seconds.loglog(megapixels, [run["seconds"] for run in runs], "o-", label=preset)
        memory.semilogx(megapixels, [run["peak_mib"] / 1024 for run in runs], "o-", label=preset)
    seconds.set(title="Time, whole process", xlabel="megapixels", ylabel="seconds")
    memory.set(title="Peak memory", xlabel="megapixels", ylabel="GiB")
    memory.set_ylim(bottom=0)
    for axes in (seconds, memory):
        axes.grid(color="0.9", which="both")
        axes.legend(frameon=False)
    figure.savefig(path)


if __name__ == "__main__":
    main()
