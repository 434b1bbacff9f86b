"""The viewer on a scene of 10,980 × 10,980 pixels: first paint, and each kind of tile.

    python benchmarks/view.py DIR

DIR keeps the scene and its result, some 3 GB, for another run. The result is not detected, which
takes ten minutes, but drawn: some 150,000 objects in a score of the same size, written as `detect`
writes it. First paint is both dates over the whole window of a Chromium (`METRICCD_CHROMIUM`, or
chromium on the path) without a graphics card, from the request of the page on. A tile is timed from
its request to its last byte, one after another, each for the first time.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import sync_playwright
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
    found: dict[str, Any] = {"objects": 0, "first paint, ms": [], "tiles, ms": {}}
    process = subprocess.Popen(
        [sys.executable, "-m", "metriccd", "view", str(out), "--no-open"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        found["first paint, ms"] = [first_paint(address) for _ in range(arguments.rounds)]
        base, opener = entered(address)
        found["objects"] = asked(opener, f"{base}contents")["objects"]
        while (state := asked(opener, f"{base}state"))["looking"] or not state["counted"]:
            time.sleep(0.5)
        found["shown"] = state["shown"]
        found["first paint of the images, ms"] = [
            first_paint(address) for _ in range(arguments.rounds)
        ]
        finest = asked(opener, f"{base}facts")["finest"]
        for layer in ("t1", "t2", "score", "change", "kind", "outlines"):
            found["tiles, ms"][layer] = tiles(opener, base, layer, finest, arguments.size)
    finally:
        process.terminate()
        process.wait()
    print(json.dumps(found, indent=1))


def first_paint(address: str) -> int:
    """Milliseconds from the request of the page until both dates are seen, and can be parted.

    The browser is started anew: nothing is kept from the time before.
    """
    path = os.environ.get("METRICCD_CHROMIUM") or shutil.which("chromium")
    arguments = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(address)
        page.wait_for_selector("body[data-ready]", timeout=120_000)
        mark = page.evaluate("performance.getEntriesByName('painted')[0].startTime")
        browser.close()
    return round(mark)


def entered(address: str) -> tuple[str, urllib.request.OpenerDirector]:
    """The address of the result, and what may ask there."""
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    with opener.open(address) as answer:
        return str(answer.url), opener


def asked(opener: urllib.request.OpenerDirector, address: str) -> Any:
    with opener.open(address) as answer:
        return json.load(answer)


def tiles(
    opener: urllib.request.OpenerDirector, base: str, layer: str, finest: int, size: int
) -> dict[str, Any]:
    """Median and largest milliseconds of tiles of all zooms, and kilobytes of the largest."""
    random, spent, sizes = np.random.default_rng(0), [], []
    outlines = layer == "outlines"
    side = 512 if outlines else 256
    for z in range(1 if outlines else 2, finest if outlines else finest + 1):
        first = (256 << (finest - 2)) // (side << (finest - z - outlines))
        count = -(-size // (side << (finest - z - outlines)))
        places = [(x, y) for x in range(count) for y in range(count)]
        for number in random.permutation(len(places))[:30]:
            x, y = places[number]
            path = "outlines" if outlines else f"tiles/{layer}"
            start = time.perf_counter()
            with opener.open(f"{base}{path}/{z}/{first + x}/{first + y}") as answer:
                sizes.append(len(answer.read()))
            spent.append(1000 * (time.perf_counter() - start))
    return {
        "median": round(float(np.median(spent)), 1),
        "of 100 the largest but 5": round(float(np.percentile(spent, 95)), 1),
        "largest": round(max(spent), 1),
        "largest, kB": round(max(sizes) / 1000),
    }


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--size", type=int, default=SIZE, help="of the scene, in pixels")
    parser.add_argument("--rounds", type=int, default=3, help="starts of a browser")
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
