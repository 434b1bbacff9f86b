"""The viewer on a scene of 10,980 × 10,980 pixels: first paint, and each kind of tile.

    python benchmarks/view.py DIR

DIR keeps the scene and its result, some 3 GB, for another run. The result is not detected, which
takes ten minutes, but drawn: some 100,000 objects in a score of the same size, written as `detect`
writes it. First paint is that of a Chromium (`METRICCD_CHROMIUM`), from the request of the page on.
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter

sys.path.insert(0, str(Path(__file__).parent))

from scenes import make_pair

from metriccd.output import output_folder
from metriccd.raster import Window, open_raster
from metriccd.result import Result, input_of

SIZE, BLOCK, SEEDS = 10_980, 1024, 4
# Objects that a block of the score holds.
OBJECTS = 900


def main() -> None:
    arguments = parse()
    folder = arguments.folder
    folder.mkdir(parents=True, exist_ok=True)
    out = folder / f"result-{arguments.size}"
    if not out.is_dir():
        make_result(folder, out, arguments.size)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--size", type=int, default=SIZE, help="of the scene, in pixels")
    return parser.parse_args()


def make_result(folder: Path, out: Path, size: int) -> None:
    """A scene and its result."""
    paths = make_pair(folder, size)
    t1, t2 = (open_raster(path) for path in paths)
    grid, step = t1.grid, -(-size // 1400)
    scores = [blobs(np.random.default_rng(seed)) for seed in range(SEEDS)]
    kinds = [classes(np.random.default_rng(seed + 100)) for seed in range(SEEDS)]

    def block(parts: list[np.ndarray], window: Window) -> np.ndarray:
        """A window of blocks that are turned and put together at random; it lies in one of them."""
        row, col = window.row // BLOCK, window.col // BLOCK
        random = np.random.default_rng((row, col))
        part = np.rot90(parts[random.integers(SEEDS)], int(random.integers(4)))
        rows, cols = window.row % BLOCK, window.col % BLOCK
        return part[rows : rows + window.height, cols : cols + window.width]

    def patched(parts: list[np.ndarray], window: Window) -> np.ndarray:
        found = np.empty((window.height, window.width), parts[0].dtype)
        for row in range(window.row // BLOCK, (window.row + window.height - 1) // BLOCK + 1):
            for col in range(window.col // BLOCK, (window.col + window.width - 1) // BLOCK + 1):
                top, left = max(row * BLOCK, window.row), max(col * BLOCK, window.col)
                bottom = min((row + 1) * BLOCK, window.row + window.height)
                right = min((col + 1) * BLOCK, window.col + window.width)
                part = Window(row=top, col=left, height=bottom - top, width=right - left)
                found[
                    top - window.row : bottom - window.row, left - window.col : right - window.col
                ] = block(parts, part)
        return found

    def read(window: Window) -> tuple[np.ndarray, np.ndarray]:
        score = patched(scores, window)
        return score > 0.5, score

    views = []
    for raster in (t1, t2):
        coarse = raster.select(["1", "2", "3"])
        with coarse.reader(grid.coarser(step)) as reader:
            pixels, _ = reader(Window.whole(grid.coarser(step).shape))
        views.append(np.clip(pixels / np.percentile(pixels, 99), 0, 1))
    inputs = {name: input_of(raster) for name, raster in (("t1", t1), ("t2", t2))}
    record: dict[str, Any] = {
        "inputs": inputs,
        "dates": {"t1": None, "t2": None},
        "settings": {
            "preset": "none",
            "method": "drawn",
            "bands": ["1", "2", "3", "4"],
            "rgb": ["1", "2", "3"],
            "coregister": None,
        },
        "score": {"kind": "rank", "rule": "fixed", "words": "drawn", "level": None},
        "threshold": {"value": 0.5, "rule": "fixed", "label_free": True, "warnings": []},
        "cleaning": {"connectivity": 4},
        "automatic": "otsu",
        "history": {},
        "clusters": [],
        "warnings": [],
        "created": datetime.now(UTC).isoformat(),
    }
    result = Result(
        read=read,
        threshold=0.5,
        rule="fixed",
        grid=grid,
        kinds=lambda window: patched(kinds, window),
        t1_rgb=views[0].astype(np.float32),
        t2_rgb=views[1].astype(np.float32),
        record=record,
    )
    with output_folder(out) as unfinished:
        summary = result.write(unfinished, name=out.name)
    print(json.dumps({"objects": summary["objects"], "share": summary["changed_share"]}))


def blobs(random: np.random.Generator) -> np.ndarray:
    """A score in which about `OBJECTS` blobs of all sizes are change."""
    noise = gaussian_filter(random.normal(size=(BLOCK, BLOCK)), 3)
    noise *= 0.05 / noise.std()
    score = np.zeros((BLOCK, BLOCK), np.float32)
    rows, cols = np.mgrid[:BLOCK, :BLOCK].astype(np.float32)
    for _ in range(OBJECTS):
        radius = min(1.2 * float(random.pareto(1.6) + 1), 40.0)
        row, col, high = *random.integers(0, BLOCK, 2), random.uniform(0.55, 1.0)
        part = (
            slice(max(int(row - 2 * radius), 0), int(row + 2 * radius) + 1),
            slice(max(int(col - 2 * radius), 0), int(col + 2 * radius) + 1),
        )
        far = ((rows[part] - row) ** 2 + (cols[part] - col) ** 2) / radius**2
        score[part] = np.maximum(score[part], high * np.exp(-0.5 * far))
    return np.clip(score + noise + 0.1 * random.random(score.shape) * (score < 0.4), 0, 1).astype(
        np.float32
    )


def classes(random: np.random.Generator) -> np.ndarray:
    """Kinds in patches."""
    fields = gaussian_filter(random.normal(size=(9, BLOCK, BLOCK)), (0, 12, 12))
    return (fields.argmax(axis=0) + 1).astype(np.uint8)


if __name__ == "__main__":
    main()
