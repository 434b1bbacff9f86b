"""The commands about weights: a supervised baseline from training to a result, in a shell."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from metriccd.cli.program import main
from metriccd.demo.synthetic import land_scene
from metriccd.nets import weights_folder
from raster_files import write


@pytest.fixture
def root(tmp_path: Path, monkeypatch) -> Path:
    """Two places in three folders, and a shell beside them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("METRICCD_WEIGHTS", str(tmp_path / "weights"))
    for name in ("t1", "t2", "reference"):
        (tmp_path / "set" / name).mkdir(parents=True)
    for place, seed in {"a": 1, "b": 2}.items():
        scene = land_scene(150, 128, seed=seed)
        write(tmp_path / f"set/t1/{place}.tif", scene.t1)
        write(tmp_path / f"set/t2/{place}.tif", scene.t2)
        truth = scene.reference[None].astype(np.uint8)
        write(tmp_path / f"set/reference/{place}.tif", truth)
    return tmp_path


TRAIN = ("train", "unet", "--dataset", "plain", "--root", "set", "--epochs", "1")


def test_what_is_trained_is_measured_with_on_a_place_left_out(root: Path, capsys) -> None:
    assert main([*TRAIN, "--skip", "b", "-o", "unet.safetensors"]) == 0
    out, err = capsys.readouterr()
    assert "unet, supervised: held-out AP" in out
    assert err.startswith("unet: at most 1 epochs on 1 places (cpu)\n")
    assert "epoch 1 of 1: loss" in err
    assert "left" in err
    assert "plain: a |" in (root / "unet.md").read_text()
    files = "set/t1/b.tif", "set/t2/b.tif"
    learned = ("--method", "unet", "--checkpoint", "unet.safetensors")
    assert main(["detect", *files, "-o", "out", *learned, "--dry-run"]) == 0
    assert "unet (supervised: 1 places of plain)" in capsys.readouterr().out
    assert main(["detect", *files, "-o", "out", *learned]) == 0
    out, err = capsys.readouterr()
    assert "(supervised)" in out
    assert "label-free" not in out
    assert "warning: supervised: unet was trained on references of 1 places" in err
    asked = ("compare", *files, "--reference", "set/reference/b.tif", "-o", "compared")
    told = ("--methods", "cva,unet", "--checkpoint", "unet.safetensors")
    assert main([*asked, *told]) == 0
    shown = capsys.readouterr().out
    assert "unet" in shown
    assert "\n(supervised)" in shown
    assert "…" not in shown
    asked = ("benchmark", "plain", "--root", "set", "-o", "bench", "--json")
    assert main([*asked, *told]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert {row["method"]: row["supervised"] for row in rows} == {"cva": False, "unet": True}
    said = json.loads((root / "bench/run.json").read_text())["warnings"]
    assert [line for line in said if "supervised" in line] == [
        "unet: supervised: unet was trained on references of 1 places (plain: a); its figures are "
        "not label-free"
    ]
    table = (root / "bench/table.md").read_text()
    assert "unet has learned from the references of 1 of the 2 pairs (a)" in table


def test_rows_of_compare_see_through_their_own_weights_or_do_not_run(root: Path, capsys) -> None:
    files = "set/t1/b.tif", "set/t2/b.tif", "--reference", "set/reference/b.tif"
    assert main(["compare", *files, "-o", "compared", "--methods", "cva,paper"]) == 3
    out, err = capsys.readouterr()
    assert "weights 'vgg16' must be fetched or imported first" in err
    assert "cva" not in out + err
    assert not (root / "compared").exists()
    assert main(["compare", *files, "-o", "compared", "--methods", "cva,closed_form"]) == 0
    record = json.loads((root / "compared/run.json").read_text())
    assert record["extractors"] == {"closed_form": "embedded"}


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize(
    ("asked", "code", "words"),
    [
        ((*TRAIN, "-o", "unet.pt"), 2, "a .safetensors file"),
        ((*TRAIN, "-o", "none/unet.safetensors"), 3, "folder of CHECKPOINT must exist"),
        ((*TRAIN, "-o", "a.safetensors", "--skip", "c"), 2, "got 'c'; choose from a, b"),
        ((*TRAIN, "-o", "a.safetensors", "--encoder", "seco"), 2, "--encoder goes with seco"),
        ((*TRAIN, "-o", "a.safetensors", "--skip", "a,b"), 3, "needs places with references"),
        (
            (*("train", "seco", "--encoder", "seco"), *TRAIN[2:], "-o", "a.safetensors"),
            *(3, "scaled by quantiles"),
        ),
        ((*TRAIN, "-o", "a.safetensors", "--minutes", "inf"), 2, "--minutes must be a number"),
        (("detect", "a.tif", "b.tif", "-o", "out", "--method", "unet"), 2, "--checkpoint FILE"),
        (("weights", "import", "seco", "set/t1/a.tif"), 3, "archive of a ResNet-18"),
        (("weights", "fetch", "seco"), 3, "'metriccd weights import seco FILE'"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(asked: tuple[str, ...], code: int, words, capsys) -> None:
    assert main(asked) == code
    _, err = capsys.readouterr()
    assert words in err
    assert err.strip().count("\n") == 0
    assert "Traceback" not in err


def test_a_checkpoint_is_replaced_only_where_that_is_said(root: Path, capsys) -> None:
    (root / "a.safetensors").write_text("mine")
    assert main([*TRAIN, "-o", "a.safetensors"]) == 3
    assert (root / "a.safetensors").read_text() == "mine"
    (root / "b.md").write_text("mine")
    (root / "c.safetensors").mkdir()
    assert main([*TRAIN, "-o", "b.safetensors"]) == 3
    assert "b.md exists" in capsys.readouterr().err
    assert (root / "b.md").read_text() == "mine"
    assert main([*TRAIN, "-o", "c.safetensors", "--overwrite"]) == 3
    assert "c.safetensors is a folder" in capsys.readouterr().err
    assert main([*TRAIN, "-o", "a.safetensors", "--overwrite", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["held_out"]["epochs"] == 1


def test_the_list_has_what_can_be_imported_only(root: Path, capsys) -> None:
    assert main(["weights", "list", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)["weights"]}
    assert rows["seco"]["installed"] is False
    assert main(["weights", "list"]) == 0
    shown = capsys.readouterr().out
    assert "efficientnet-lite0" in shown
    assert "metriccd[imagenet]" in shown
    assert "…" not in shown
    assert weights_folder() == root / "weights"
