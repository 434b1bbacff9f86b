"""Supervised methods as methods: marked wherever they stand, in every size and by any call."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch

import metriccd as mcd
from metriccd.accuracy import evaluate_folder
from metriccd.benchmark import benchmark, choose_entries, compare, find_pairs, with_checkpoints
from metriccd.demo.synthetic import Scene, land_scene
from metriccd.detection import Detection, detect_into, requested
from metriccd.errors import DataError, WeightsError
from metriccd.methods import METHODS, SUPERVISED, Options
from metriccd.result import decide_again
from metriccd.supervised.checkpoint import About, Checkpoint, load_checkpoint
from metriccd.supervised.unet import UNet
from raster_files import write


@pytest.fixture(scope="module")
def scene() -> Scene:
    return land_scene(96, 128, seed=1)


@pytest.fixture(scope="module")
def root(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("set")
    for name, image in {"t1": scene.t1, "t2": scene.t2}.items():
        (root / name).mkdir()
        write(root / name / "a.tif", image)
    (root / "reference").mkdir()
    write(root / "reference/a.tif", scene.reference[None].astype(np.uint8))
    return root


def test_a_scene_is_scaled_as_the_network_has_learned_and_nothing_else(
    scene: Scene, checkpoint_of
) -> None:
    t1, t2 = (np.asarray(image, np.float32) for image in (scene.t1, scene.t2))
    found = METHODS["unet"](t1, t2, options=Options(checkpoint=checkpoint_of("unet")))
    network = load_checkpoint(Path(checkpoint_of("unet"))).network
    dates = [
        torch.from_numpy(
            (image - image.mean((1, 2), keepdims=True)) / image.std((1, 2), keepdims=True)
        )[None]
        for image in (t1[:3], t2[:3])
    ]
    with torch.no_grad():
        expected = torch.sigmoid(network(*dates))[0]
    np.testing.assert_allclose(found.image, expected.numpy(), atol=0.02)


def test_a_result_says_that_it_is_supervised_and_by_what(
    root: Path, tmp_path: Path, checkpoint_of
) -> None:
    path = checkpoint_of("unet")
    summary = detect_into(
        tmp_path / "out",
        root / "t1/a.tif",
        root / "t2/a.tif",
        method="unet",
        checkpoint=path,
        rgb="1,2,3",
    )
    record = json.loads((tmp_path / "out/run.json").read_text())
    assert summary["supervised"]
    assert any(line.startswith("supervised: unet was trained") for line in summary["warnings"])
    assert record["settings"]["supervised"] is True
    assert record["score"]["kind"] == "probability"
    assert record["threshold"]["value"] == 0.5
    assert record["checkpoint"]["path"] == path
    assert len(record["checkpoint"]["sha256"]) == 64
    page = (tmp_path / "out/report.html").read_text()
    assert 'id="badge">supervised<' in page
    assert "chosen without labels" not in page
    with rasterio.open(tmp_path / "out/score.tif") as score:
        assert score.tags()["METHOD"] == "unet (supervised)"
    change = mcd.open(tmp_path / "out")
    assert set(change.polygons()["method"]) <= {"unet (supervised)"}
    assert "unet (supervised)" in repr(change)
    assert "unet (supervised)" in change._repr_html_()


def test_a_rule_on_a_supervised_score_is_not_label_free(
    root: Path, tmp_path: Path, checkpoint_of
) -> None:
    files = root / "t1/a.tif", root / "t2/a.tif"
    asked = {"method": "unet", "checkpoint": checkpoint_of("unet"), "threshold": "otsu"}
    detect_into(tmp_path / "out", *files, **asked)
    assert json.loads((tmp_path / "out/run.json").read_text())["threshold"]["label_free"] is False
    found = evaluate_folder(tmp_path / "out", [str(root / "reference/a.tif")])
    assert found.basis["f1"] == "supervised"
    assert found.basis["best_f1"] == "oracle"
    decide_again(tmp_path / "out", "rosin")
    record = json.loads((tmp_path / "out/run.json").read_text())
    assert record["threshold"] | {"label_free": False, "rule": "rosin"} == record["threshold"]


def test_another_checkpoint_is_another_run(root: Path, tmp_path: Path, checkpoint_of) -> None:
    def key(path: Path) -> str:
        files = root / "t1/a.tif", root / "t2/a.tif"
        request, _ = requested("", *files, method="unet", checkpoint=path)
        return Detection.of(request).key()

    own, moved, other = Path(checkpoint_of("unet")), tmp_path / "m", tmp_path / "o"
    shutil.copy(own, moved)
    other.write_bytes(own.read_bytes() + b" ")
    assert key(own) == key(moved)
    assert key(own) != key(other)


def test_without_its_checkpoint_a_supervised_method_is_refused(root: Path, checkpoint_of) -> None:
    files = root / "t1/a.tif", root / "t2/a.tif"
    for method in SUPERVISED:
        with pytest.raises(ValueError, match=rf"{method} is supervised and needs a checkpoint"):
            mcd.detect(*files, method=method)
    with pytest.raises(ValueError, match="a checkpoint goes with seco_pre, seco_rand, unet"):
        mcd.detect(*files, method="cva", checkpoint=checkpoint_of("unet"))
    with pytest.raises(WeightsError, match="must exist"):
        mcd.detect(*files, method="unet", checkpoint="none.safetensors")
    with pytest.raises(WeightsError, match="checkpoint of its own"):
        mcd.detect(*files, method="seco_rand", checkpoint=checkpoint_of("unet"))


def test_values_unlike_those_of_the_training_are_told_of(scene: Scene, checkpoint_of) -> None:
    options = Options(checkpoint=checkpoint_of("seco_rand"))
    far = METHODS["seco_rand"](scene.t1 * 100, scene.t2 * 100, options=options)
    near = METHODS["seco_rand"](scene.t1, scene.t2, options=options)
    assert any("far out of the values" in line for line in far.warnings)
    assert not any("far out of the values" in line for line in near.warnings)


def test_a_pair_of_fewer_bands_than_the_checkpoint_is_refused(scene: Scene, tmp_path: Path) -> None:
    about = About(
        method="unet",
        bands=tuple("abcde"),
        ranges=(),
        dataset="made",
        places=("a",),
        data="0",
    )
    Checkpoint(about=about, network=UNet(5)).save(tmp_path / "a.safetensors")
    options = Options(checkpoint=str(tmp_path / "a.safetensors"))
    with pytest.raises(DataError, match=r"5 bands of the checkpoint \(a, b, c, d, e\).*got 3"):
        METHODS["unet"](scene.t1[:3], scene.t2[:3], options=options)


def test_tables_mark_supervised_rows_and_only_them(
    root: Path, tmp_path: Path, checkpoint_of
) -> None:
    paths = [checkpoint_of("unet"), checkpoint_of("seco_rand")]
    entries = with_checkpoints(choose_entries(["cva", "unet", "seco_rand"]), paths)
    board = benchmark(find_pairs("plain", root), entries, tmp_path / "bench", dataset="plain")
    assert {row["method"]: row["supervised"] for row in board.rows()} == {
        "cva": False,
        "unet": True,
        "seco_rand": True,
    }
    text = (tmp_path / "bench/table.md").read_text()
    assert "| unet (supervised) |" in text
    assert "| cva |" in text
    assert "has learned from references" in text
    record = json.loads((tmp_path / "bench/run.json").read_text())
    assert len(record["entries"]["unet"]["checkpoint"]) == 64
    files = root / "t1/a.tif", root / "t2/a.tif"
    found = compare(
        *files, root / "reference/a.tif", methods=["cva", "unet"], checkpoints=paths[:1]
    )
    found.save(tmp_path / "compared")
    assert "| unet (supervised) |" in (tmp_path / "compared/table.md").read_text()
    content = json.loads((tmp_path / "compared/run.json").read_text())
    assert content["checkpoints"]["unet"]["path"] == paths[0]


def test_each_supervised_row_needs_its_own_checkpoint(checkpoint_of) -> None:
    entries, unet = choose_entries(["cva", "unet"]), checkpoint_of("unet")
    with pytest.raises(ValueError, match="unet is supervised and needs a checkpoint"):
        with_checkpoints(entries, [])
    with pytest.raises(ValueError, match="got two of unet"):
        with_checkpoints(entries, [unet, unet])
    with pytest.raises(ValueError, match="is a checkpoint of seco_rand: name it"):
        with_checkpoints(entries, [unet, checkpoint_of("seco_rand")])
