"""A scene that several processes share is that of one."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch

from metriccd.demo.synthetic import land_scene
from metriccd.detection import Plan, detect_into, do_tiles, prepare
from metriccd.errors import DataError, OutputError
from metriccd.kinds import evidence, mapping
from metriccd.output.place import unfinished_path
from metriccd.scene import measure, sampling
from raster_files import FILES, write


def small() -> None:
    """Many tiles of a small scene, in a process that begins."""
    torch.set_num_threads(1)
    measure.TILE, mapping.SIZE, evidence.SIZE = 128, 128, 128
    sampling.PIXELS, sampling.SIDE = 4 * 128**2, 128


@pytest.fixture
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in ((measure, "TILE"), (mapping, "SIZE"), (evidence, "SIZE")):
        monkeypatch.setattr(module, name, 128)
    monkeypatch.setattr(sampling, "PIXELS", 4 * 128**2)
    monkeypatch.setattr(sampling, "SIDE", 128)


@pytest.fixture(scope="module")
def workers() -> Iterator[Executor]:
    with ProcessPoolExecutor(2, get_context("spawn"), initializer=small) as pool:
        yield pool


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("scene")
    scene = land_scene(300, 340, seed=2)
    t2 = scene.t2.copy()
    t2[:, 280:, 300:] = 0
    write(folder / "t1.tif", scene.t1)
    write(folder / "t2.tif", t2)
    return folder / "t1.tif", folder / "t2.tif"


def shared(
    out: Path, files: tuple[Path, Path], workers: Executor, **asked: object
) -> list[tuple[str, int]]:
    """Names and tiles of the plans that two processes did, each its half."""
    plans = []
    while (plan := prepare(out, *files, **asked)) is not None:
        halves = plan.remaining[::2], plan.remaining[1::2]
        list(workers.map(do_tiles, [plan, plan], halves))
        plans.append((plan.name, len(plan.remaining)))
    return plans


@pytest.mark.usefixtures("small_tiles")
def test_two_processes_make_the_bytes_of_one(
    files: tuple[Path, Path], tmp_path: Path, workers: Executor
) -> None:
    out, other = tmp_path / "out", tmp_path / "other"
    asked = {"preset": "fast", "kinds": "built"}
    plans = [("measure", 9), ("evidence", 9), ("kinds", 9), ("drafts", 6)]
    assert shared(out, files, workers, **asked) == plans
    seen = []
    detect_into(out, *files, progress=lambda stage, *_: seen.append(stage), **asked)
    assert {"resume"} <= set(seen)
    assert not {"directions", "threshold"} & set(seen)
    detect_into(other, *files, **asked)
    for name in ("score.tif", "change.tif", "kind.tif", "cluster.tif", "preview.png"):
        assert (out / name).read_bytes() == (other / name).read_bytes(), name
    one, two = ((folder / "run.json").read_text() for folder in (out, other))
    assert "zero in all bands" in one
    assert one[: one.index('"versions"')] == two[: two.index('"versions"')]
    assert {path.name for path in out.iterdir()} == FILES
    assert not unfinished_path(out).exists()


@pytest.mark.usefixtures("small_tiles")
def test_a_plan_is_plain_data_and_its_tiles_may_be_done_twice(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    plan = prepare(tmp_path / "out", *files, preset="fast")
    assert isinstance(plan, Plan)
    assert len(pickle.dumps(plan)) < 10_000
    do_tiles(pickle.loads(pickle.dumps(plan)), [0, 1])
    do_tiles(plan, [1, 2])
    again = prepare(tmp_path / "out", *files, preset="fast")
    assert again is not None
    assert again.remaining == (3, 4, 5, 6, 7, 8)
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_shared_is_no_plan_and_is_detected(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    out, asked = tmp_path / "out", {"method": "closed_form", "threshold": "kmeans"}
    plan = prepare(out, *files, **asked)
    # The whole pair was measured at once; only the kinds are told tile by tile.
    assert plan is not None
    assert plan.name == "kinds"
    do_tiles(plan, plan.remaining)
    plan = prepare(out, *files, **asked)
    assert plan is not None
    assert plan.name == "drafts"
    do_tiles(plan, [1])
    detect_into(out, *files, **asked)
    with rasterio.open(out / "score.tif") as file:
        assert np.isfinite(file.read(1)).any()


def test_workers_that_would_compute_otherwise_or_read_otherwise_are_refused(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    later = write(tmp_path / "later.tif", land_scene(300, 340, seed=2).t2)
    plan = prepare(tmp_path / "out", files[0], later, preset="fast")
    assert plan is not None
    threads = torch.get_num_threads()
    torch.set_num_threads(threads + 1)
    try:
        with pytest.raises(DataError, match="must compute alike"):
            do_tiles(plan, [0])
    finally:
        torch.set_num_threads(threads)
    write(later, land_scene(300, 340, seed=3).t2)
    with pytest.raises(DataError, match="must stay as they are"):
        do_tiles(plan, [0])


def test_a_plan_replaces_nothing_that_detect_would_not(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("mine")
    with pytest.raises(OutputError, match="must not exist"):
        prepare(tmp_path / "out", *files, preset="fast")
    with pytest.raises(TypeError):
        prepare(tmp_path / "other", *files, colour="red")
