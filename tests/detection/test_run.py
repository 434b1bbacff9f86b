"""A run that is killed goes on: what was fitted and found is kept, and the result is the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from metriccd.check import costs
from metriccd.demo.synthetic import land_scene
from metriccd.detection import Detection, detect_into
from metriccd.detection.calls import requested
from metriccd.output.place import unfinished_path
from metriccd.output.workshop import WORK
from metriccd.raster import Window
from metriccd.scene import Files, Memory, finished, measure, sampling
from metriccd.stages import Stages
from raster_files import write

WHOLE = Window(row=0, col=0, height=300, width=340)
# A run in a process of its own that kills itself, as kill -9 does, when a stage is so far.
CHILD = """
import os, signal, sys
from metriccd.scene import measure, sampling
from metriccd.kinds import mapping
from metriccd.detection import detect_into
measure.TILE, sampling.PIXELS, sampling.SIDE, mapping.SIZE = 128, 4 * 128**2, 128, 128
def progress(stage, done, total):
    print(stage, done, total, flush=True)
    if [stage, str(done)] == sys.argv[4:6]:
        os.kill(os.getpid(), signal.SIGKILL)
detect_into(*sys.argv[1:4], preset="default", progress=progress)
"""
FITTING = {"check", "sample", "directions", "scale"}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("scene")
    scene = land_scene(300, 340, seed=2)
    t2 = scene.t2.copy()
    # Zeros of which the file says nothing: what is guessed of them is said after a kill, too.
    t2[:, 280:, 300:] = 0
    write(folder / "t1.tif", scene.t1)
    write(folder / "t2.tif", t2)
    return folder / "t1.tif", folder / "t2.tif"


def run(out: Path, files: tuple[Path, Path], *kill: str) -> list[tuple[str, int, int]]:
    """What was reported until it ended, or was killed at a stage and a step of it."""
    command = [sys.executable, "-c", CHILD, str(out), *map(str, files), *kill]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == (-9 if kill else 0), done.stderr
    rows = [line.rsplit(" ", 2) for line in done.stdout.splitlines()]
    return [(stage, int(steps), int(total)) for stage, steps, total in rows]


def test_before_a_long_fit_its_time_and_memory_are_told(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    told = []

    def stop(stage: str, done: int, total: int) -> None:
        if stage == "expect":
            told.append((done, total))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        detect_into(tmp_path / "out", *files, preset="paper", extractor="embedded", progress=stop)
    (paper,) = (cost for cost in costs((300, 340), 3) if cost.preset == "paper")
    assert told == [(round(paper.seconds), round(paper.mib))]


def test_killed_after_the_fit_in_the_tiles_and_in_the_kinds_it_goes_on_to_the_same_bytes(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    out, other = tmp_path / "out", tmp_path / "other"
    first = run(out, files, "measure", "0")
    assert {stage for stage, _, _ in first} >= FITTING
    second = run(out, files, "measure", "4")
    assert ("resume", 0, 9) in second
    third = run(out, files, "kinds", "5")
    assert ("resume", 4, 9) in third
    assert ("measure", 4, 9) in third
    last = run(out, files)
    assert ("resume", 9, 9) in last
    assert ("kinds", 5, 9) in last
    for again in (second, third, last):
        assert not FITTING & {stage for stage, _, _ in again}
    assert "threshold" not in {stage for stage, _, _ in last}
    run(other, files)
    for name in ("score.tif", "change.tif", "kind.tif", "cluster.tif", "direction.tif"):
        assert (out / name).read_bytes() == (other / name).read_bytes(), name
    one, two = ((folder / "run.json").read_text() for folder in (out, other))
    assert "zero in all bands" in one
    assert one[: one.index('"versions"')] == two[: two.index('"versions"')]
    assert not unfinished_path(out).exists()


@pytest.fixture
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "TILE", 128)
    monkeypatch.setattr(sampling, "PIXELS", 4 * 128**2)
    monkeypatch.setattr(sampling, "SIDE", 128)


class Stop:
    """Interrupts at a stage and a step of it, and remembers the stages."""

    def __init__(self, stage: str = "", done: int = 0) -> None:
        self.at, self.seen = (stage, done), list[str]()

    def __call__(self, stage: str, done: int, _total: int) -> None:
        self.seen.append(stage)
        if (stage, done) == self.at:
            raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("asked", "fitting"),
    [
        ({"method": "irmad"}, "difference"),
        ({"method": "closed_form"}, "features"),
        ({"preset": "fast", "kinds": "built", "coregister": "global"}, "directions"),
    ],
    ids=str,
)
@pytest.mark.usefixtures("small_tiles")
def test_every_fit_is_kept(
    files: tuple[Path, Path], tmp_path: Path, asked: dict[str, str], fitting: str
) -> None:
    once, again = Stop("kinds", 0), Stop("kinds", 0)
    for stop in (once, again):
        with pytest.raises(KeyboardInterrupt):
            detect_into(tmp_path / "out", *files, progress=stop, **asked)
    assert fitting in once.seen
    assert fitting not in again.seen
    assert "measure" not in again.seen or "resume" in again.seen


def test_a_file_of_the_fit_that_somebody_broke_or_made_is_not_used(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        detect_into(out, *files, preset="fast", progress=Stop("measure", 0))
    (unfinished_path(out) / WORK / "fit.npz").write_bytes(b"cos\nsystem\n(S'touch ran'\ntR.")
    detect_into(out, *files, preset="fast", progress=(again := Stop()))
    assert "directions" in again.seen
    assert out.is_dir()


@pytest.mark.usefixtures("small_tiles")
def test_a_tile_that_one_layer_lost_is_done_again(files: tuple[Path, Path], tmp_path: Path) -> None:
    detection = Detection.of(requested("out", *files, preset="fast")[0])
    first = next(detection.passes(Files(tmp_path)))
    first.run(Stages())
    assert not first.remaining
    (tmp_path / "distance/1.f32").write_bytes(b"")
    (tmp_path / "overview-2/3.f32").unlink()
    assert first.remaining == [1, 3]


@pytest.mark.usefixtures("small_tiles")
def test_passes_that_others_did_are_not_done_again(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    detection = Detection.of(requested("out", *files, preset="fast")[0])
    whole = finished(detection.passes(Memory()), Stages())
    workspace = Files(tmp_path)
    names = []
    for each in detection.passes(workspace):
        names.append(each.name)
        half = each.remaining[::2]
        each.run(Stages(), half)
        assert not set(half) & set(each.remaining)
        each.run(Stages())
        assert not each.remaining
    assert names == ["measure", "kinds"]
    found = finished(detection.passes(workspace), Stages())
    for one, other in zip(found.read(WHOLE), whole.read(WHOLE), strict=True):
        np.testing.assert_array_equal(one, other)
