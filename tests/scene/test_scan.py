"""A scene in tiles: the result of the whole, whatever its size, and after an interrupt too."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import torch

import metriccd as mcd
from metriccd.decision.rules import threshold_of
from metriccd.demo.synthetic import land_scene
from metriccd.detection import Detection, Request, detect_into
from metriccd.errors import OutputError
from metriccd.methods.method import Options
from metriccd.methods.methods import METHODS
from metriccd.nets import precision
from metriccd.nets.features import load_extractor
from metriccd.output.place import unfinished_path
from metriccd.output.workshop import WORK
from metriccd.pair.blocks import ArrayPair, Block
from metriccd.pair.pair import read_pair
from metriccd.scene import measure, sampling
from metriccd.scene.scan import Scan
from metriccd.scene.workspace import Memory
from metriccd.stages import Stages
from raster_files import write

SIZE = (420, 340)


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("scene")
    scene = land_scene(*SIZE, seed=2)
    t1, t2 = scene.t1.copy(), scene.t2.copy()
    t2[:, 300:, 250:] = 0
    write(folder / "t1.tif", t1, nodata=0)
    write(folder / "t2.tif", t2, nodata=0)
    return folder / "t1.tif", folder / "t2.tif"


@pytest.fixture
def small_tiles(monkeypatch) -> None:
    monkeypatch.setattr(measure, "TILE", 128)
    monkeypatch.setattr(sampling, "PIXELS", 4 * 128**2)
    monkeypatch.setattr(sampling, "SIDE", 128)


def done(scan: Scan) -> Scan:
    scan.work.run(Stages())
    return scan


def kept(out: Path) -> list[Path]:
    """Files of the finished tiles that a run of `out` left."""
    return sorted((unfinished_path(out) / WORK / "overview-6").glob("[0-9]*"))


def measured(
    files: tuple[Path, Path], method: str, tile: int, monkeypatch, options: Options
) -> np.ndarray:
    """A difference image fitted once on the whole, in tiles of this size."""
    pair = read_pair(*files)
    source = pair.blocks()
    fitted = METHODS[method].fit(source, options)
    monkeypatch.setattr(measure, "TILE", tile)
    return done(Scan.of(source, fitted, Memory(), rgb=(0, 1, 2))).distance.array


@pytest.mark.parametrize(
    "method",
    # seco_pre is seco_rand with other numbers.
    sorted(n for n, method in METHODS.items() if hasattr(method, "fit") and n != "seco_pre"),
)
def test_tiles_give_what_the_whole_gives(files, method: str, monkeypatch, checkpoint_of) -> None:
    monkeypatch.setattr(precision, "_cpu_has_bfloat16", lambda: False)
    options = Options(checkpoint=checkpoint_of(method))
    whole = measured(files, method, 4096, monkeypatch, options)
    # The context of a tile is larger than the tile, where networks see far.
    tiled = measured(files, method, 192 if method == "seco_rand" else 96, monkeypatch, options)
    np.testing.assert_array_equal(np.isnan(tiled), np.isnan(whole))
    assert np.isnan(whole).any()
    scale = np.nanmedian(whole)
    score = lambda distance: distance / (distance + scale)  # noqa: E731  # a formula
    np.testing.assert_allclose(score(tiled), score(whole), atol=1e-3)


@pytest.mark.slow
def test_a_real_scene_has_no_seams(data: Path, monkeypatch) -> None:
    pair = read_pair(data / "oscd/beirut/pair/img1.png", data / "oscd/beirut/pair/img2.png")
    fitted = METHODS["fusion"].fit(pair.blocks(), Options())
    scores = {}
    for tile in (4096, 256):
        monkeypatch.setattr(measure, "TILE", tile)
        distance = done(Scan.of(pair.blocks(), fitted, Memory(), rgb=pair.rgb)).distance
        level = threshold_of("rosin", distance.array)
        scores[tile] = distance.array / (distance.array + level)
    whole, tiled = scores[4096], scores[256]
    assert whole.shape == (1180, 1070)
    assert np.abs(tiled - whole).max() < 1e-4
    for axis in (0, 1):
        steps = {tile: np.abs(np.diff(score, axis=axis)) for tile, score in scores.items()}
        borders = np.arange(256, whole.shape[axis], 256) - 1
        across, same = (np.take(steps[tile], borders, axis=axis).mean() for tile in (256, 4096))
        assert across == pytest.approx(same, rel=0.05)
        inside = np.delete(steps[256], borders, axis=axis).mean()
        assert across / inside == pytest.approx(same / inside, rel=0.05)


@pytest.mark.parametrize("method", ["fusion", "irmad"])
def test_files_and_arrays_give_the_same_numbers(files, method: str) -> None:
    with rasterio.open(files[0]) as one, rasterio.open(files[1]) as other:
        block = Block(*(x.read().astype(np.float32) for x in (one, other)), other.read(1) > 0)
    source = ArrayPair(block=block)
    in_memory = METHODS[method].fit(source, Options()).layers(block)[0]
    change = mcd.METHODS[method](*block)
    np.testing.assert_allclose(change.image, in_memory, rtol=1e-3)


@pytest.mark.usefixtures("small_tiles")
def test_a_scene_larger_than_its_sample_is_detected_too(files, tmp_path: Path) -> None:
    summary = detect_into(tmp_path / "out", *files, preset="fast")
    with rasterio.open(tmp_path / "out/change.tif") as file:
        classes = file.read(1)
    assert (classes == 1).sum() == summary["changed_pixels"] > 0
    assert (classes == 255).sum() == 120 * 90
    reference = land_scene(*SIZE, seed=2).reference
    reference[300:, 250:] = False
    scores = mcd.evaluate(mcd.detect(*files, preset="fast"), reference)
    assert scores.auc > 0.9
    assert not unfinished_path(tmp_path / "out").exists()


def test_the_arrays_are_what_the_files_hold(files, tmp_path: Path) -> None:
    change = mcd.detect(*files, preset="fast", min_area=1000)
    summary = detect_into(tmp_path / "out", *files, preset="fast", min_area=1000)
    with rasterio.open(tmp_path / "out/score.tif") as file:
        np.testing.assert_array_equal(file.read(1), change.score)
    with rasterio.open(tmp_path / "out/change.tif") as file:
        np.testing.assert_array_equal(file.read(1) == 1, change.map)
    assert summary == change.summary()
    assert gpd.read_file(tmp_path / "out/change.gpkg").area_m2.min() >= 1000


class Stop:
    """A progress callback that interrupts when so many tiles are finished."""

    def __init__(self, after: int) -> None:
        self.after, self.measured = after, []

    def __call__(self, stage: str, done: int, _total: int) -> None:
        if stage == "measure":
            self.measured.append(done)
            if done == self.after:
                raise KeyboardInterrupt


@pytest.mark.usefixtures("small_tiles")
def test_after_an_interrupt_the_same_call_goes_on_to_the_same_bytes(files, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        detect_into(out, *files, preset="fast", progress=Stop(5))
    assert not out.exists()
    assert len(kept(out)) == 5
    rest = Stop(-1)
    detect_into(out, *files, preset="fast", progress=rest)
    # All at once for those that were finished, then one by one.
    assert rest.measured[:3] == [0, 5, 6]
    assert not unfinished_path(out).exists()
    detect_into(tmp_path / "other", *files, preset="fast")
    for name in ("score.tif", "change.tif", "preview.png"):
        assert (out / name).read_bytes() == (tmp_path / "other" / name).read_bytes(), name
    one, other = (gpd.read_file(folder / "change.gpkg") for folder in (out, tmp_path / "other"))
    assert one.equals(other)
    assert sorted(path.name for path in out.iterdir()) == sorted(
        path.name for path in (tmp_path / "other").iterdir()
    )


@pytest.mark.usefixtures("small_tiles")
def test_other_settings_do_not_go_on_with_what_was_left(files, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        detect_into(out, *files, preset="fast", progress=Stop(5))
    fresh = Stop(-1)
    detect_into(out, *files, preset="fast", seed=1, progress=fresh)
    assert fresh.measured[:3] == [0, 0, 1]


@pytest.mark.usefixtures("small_tiles")
def test_a_tile_cut_short_by_a_loss_of_power_is_measured_again(files, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        detect_into(out, *files, preset="fast", progress=Stop(3))
    kept(out)[1].write_bytes(b"")
    rest = Stop(-1)
    detect_into(out, *files, preset="fast", progress=rest)
    assert rest.measured[1] == 2


CHILD = """
import sys, time
from metriccd.scene import measure, sampling
from metriccd.detection import detect_into
from metriccd.scene import Files
measure.TILE, sampling.PIXELS, sampling.SIDE = 128, 4 * 128**2, 128
admit, seconds = Files.admit, float(sys.argv[4])
def slowly(self, seen):
    time.sleep(seconds)
    admit(self, seen)
Files.admit = slowly
def progress(stage, done, total):
    if stage == "measure":
        print(done)
detect_into(*sys.argv[1:4], preset="fast", progress=progress)
"""


def child(out: Path, files: tuple[Path, Path], seconds: float = 0) -> subprocess.Popen[str]:
    """A run in a process of its own that waits so long after each tile."""
    command = [sys.executable, "-c", CHILD, str(out), *map(str, files), str(seconds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_after_a_kill_the_same_call_goes_on_to_the_same_bytes(files, tmp_path: Path) -> None:
    out, other = tmp_path / "out", tmp_path / "other"
    with child(out, files, seconds=5) as process:
        for _ in range(1200):
            if len(kept(out)) >= 2:
                break
            time.sleep(0.1)
        with pytest.raises(OutputError, match="must not be in the making"):
            detect_into(out, *files, preset="fast")
        process.kill()
    assert not out.exists()
    measured, _ = child(out, files).communicate(timeout=300)
    assert int(measured.split()[1]) >= 2
    child(other, files).communicate(timeout=300)
    for name in ("score.tif", "change.tif"):
        assert (out / name).read_bytes() == (other / name).read_bytes(), name


@pytest.mark.usefixtures("small_tiles")
def test_a_fault_leaves_nothing(files, tmp_path: Path, monkeypatch) -> None:
    def fail(*_args: object, **_options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("metriccd.result.result.cog_writer", fail)
    with pytest.raises(OutputError, match="No space left"):
        detect_into(tmp_path / "out", *files, preset="fast")
    assert list(tmp_path.iterdir()) == []


def test_the_key_tells_runs_apart(files) -> None:
    def task(**options: object) -> Detection:
        asked = {
            "t1": files[0],
            "t2": files[1],
            "preset": "fast",
            "method": None,
            "bands": None,
            "rgb": None,
            "masks": (),
            "nodata": None,
            "threshold": "auto",
            "min_area": 0.0,
            "extractor": None,
            "device": "cpu",
            "seed": 0,
            "progress": None,
        }
        return Detection.of(Request(**(asked | options)))

    assert task().key() == task().key()
    others = [
        task(seed=1),
        task(preset="default"),
        task(threshold=0.4),
        task(preset="default", method="irmad"),
    ]
    assert len({each.key() for each in (task(), *others)}) == 5


@pytest.mark.usefixtures("small_tiles")
def test_other_arrays_or_weights_do_not_go_on_with_what_was_left(tmp_path: Path) -> None:
    scene, out = land_scene(300, 300, seed=3), tmp_path / "out"
    extractor = load_extractor("embedded")
    settings = {"preset": "fast", "extractor": extractor}
    with pytest.raises(KeyboardInterrupt):
        detect_into(out, scene.t1, scene.t2, progress=Stop(2), **settings)
    with pytest.raises(KeyboardInterrupt):
        detect_into(out, scene.t1, scene.t2, progress=(same := Stop(3)), **settings)
    assert same.measured[:2] == [0, 2]
    with torch.no_grad():
        next(extractor.parameters())[0] += 1
    with pytest.raises(KeyboardInterrupt):
        detect_into(out, scene.t1, scene.t2, progress=(other := Stop(2)), **settings)
    assert other.measured[:3] == [0, 0, 1]
    again = Stop(-1)
    detect_into(out, scene.t1 + 1, scene.t2, progress=again, **settings)
    assert again.measured[:3] == [0, 0, 1]


def test_a_method_that_needs_the_whole_is_written_the_same_way(files, tmp_path: Path) -> None:
    detect_into(tmp_path / "out", *files, method="closed_form", threshold="kmeans")
    record = json.loads((tmp_path / "out/run.json").read_text())
    assert record["settings"]["method"] == "closed_form"
    assert {"score.tif", "report.html"} <= {path.name for path in (tmp_path / "out").iterdir()}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    with rasterio.open(tmp_path / "out/score.tif") as file:
        change = mcd.detect(*files, method="closed_form", threshold="kmeans")
        np.testing.assert_array_equal(file.read(1), change.score)


def test_bands_beyond_the_last_are_shown_as_the_last(files) -> None:
    pair = replace(read_pair(*files), rgb=(0, 7, 9))
    fitted = METHODS["cva"].fit(pair.blocks(), Options())
    found = done(Scan.of(pair.blocks(), fitted, Memory(), rgb=pair.rgb))
    np.testing.assert_array_equal(found.t1_rgb[1], found.t1_rgb[2])
