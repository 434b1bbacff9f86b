"""A series that is killed goes on, and one at a time makes a folder."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio

from batch.pairs import crops
from batch.runs import NET, commanded, kill_session, pixels, until
from metriccd.series import series


@pytest.fixture(scope="module")
def images(data: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Three dates of one place."""
    folder = tmp_path_factory.mktemp("series")
    crops(data, folder, "a", side=96)
    dates = ("2000-01-01", "2003-01-01", "2006-01-01")
    files = [folder / f"scene_{date}.tif" for date in dates]
    for file, source in zip(files, ("a-t1.tif", "a-t2.tif", "a-t1.tif"), strict=True):
        shutil.copyfile(folder / source, file)
    # The first date again, seen by another sun.
    with rasterio.open(files[2], "r+") as dataset:
        seen = dataset.read()
        noise = np.random.default_rng(0).integers(0, 4, seen.shape, dtype=seen.dtype)
        dataset.write(np.minimum(seen, 250) + noise)
    return list(map(str, files))


def moments(out: Path) -> list[Callable[[], object]]:
    """What has come to be of a series, in this order."""
    unfinished, kept = (out.with_name(f".{out.name}-{name}") for name in ("unfinished", "pairs"))
    return [
        unfinished.exists,
        lambda: any(kept.glob(".*-unfinished/result/*")),
        lambda: any(kept.glob("*.key")),
        lambda: len([*kept.glob("*.key")]) > 2,
        lambda: any(unfinished.glob("result/*.tif")),
    ]


@pytest.mark.slow
def test_a_series_that_is_killed_at_random_moments_comes_to_the_same(
    images: list[str], tmp_path: Path
) -> None:
    series(tmp_path / "whole", images, preset="fast", device="cpu")
    whole = pixels(tmp_path / "whole")
    chance, count, made = random.Random(0), 0, 0
    while True:
        out = tmp_path / f"out-{made}"
        with commanded("series", *images, "-o", str(out), "--preset", "fast", "-q") as process:
            if count < len(moments(out)):
                met = moments(out)[count]
                until(lambda met=met: met() or process.poll() is not None, pause=0.002)
                time.sleep(chance.uniform(0, 0.2))
                kill_session(process)
                count += process.returncode < 0
            if process.wait(timeout=NET) < 0:
                continue
            words = process.stderr.read()
        assert process.returncode == 0, words
        assert pixels(out) == whole
        made += 1
        assert {path.name for path in tmp_path.iterdir()} == {
            "whole",
            *(f"out-{number}" for number in range(made)),
        }
        if count == len(moments(out)):
            return


@pytest.mark.slow
def test_a_worker_of_a_series_that_dies_ends_it_in_one_line_and_the_next_one_goes_on(
    images: list[str], tmp_path: Path
) -> None:
    out, kept = tmp_path / "out", tmp_path / ".out-pairs"
    command = ("series", *images, "-o", str(out), "--preset", "fast", "-q", "--workers", "2")

    def met() -> bool:
        for result in kept.glob(".*-unfinished/result"):
            text = (result.parent / ".metriccd").read_text()
            os.kill(json.loads(text)["process"], signal.SIGKILL)
            return True
        return False

    with commanded(*command) as process:
        until(met, pause=0.002)
        _, words = process.communicate(timeout=NET)
    assert process.returncode == 3, words
    assert words.startswith("error: pair ")
    assert "a worker must live" in words
    assert len(words.strip().splitlines()) == 1
    with commanded(*command) as process:
        _, words = process.communicate(timeout=NET)
    assert (process.returncode, words) == (0, "")
    assert {path.name for path in tmp_path.iterdir()} == {"out"}


@pytest.mark.slow
def test_of_two_series_that_begin_at_once_one_works(images: list[str], tmp_path: Path) -> None:
    command = ("series", *images, "-o", str(tmp_path / "out"), "--preset", "fast", "-q")
    with contextlib.ExitStack() as stack:
        both = [stack.enter_context(commanded(*command)) for _ in range(2)]
        told = [each.communicate(timeout=NET) for each in both]
    assert sorted(each.returncode for each in both) == [0, 3], told
    (words,) = (words for process, (_, words) in zip(both, told, strict=True) if process.returncode)
    assert "in the making" in words or "must not exist" in words
    assert len(words.strip().splitlines()) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"out"}
