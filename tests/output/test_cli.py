"""Every way in which a user's files could be lost, through the commands: all of them stay."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from folders import contents
from metriccd.cli import main
from metriccd.demo.synthetic import land_scene
from raster_files import FILES, write

PAIR = ("detect", "in/t1.tif", "in/t2.tif", "-o", "out", "-q", "--preset", "fast")
AGAIN = (*PAIR, "--overwrite")
VRT = (
    '<VRTDataset rasterXSize="128" rasterYSize="128"><VRTRasterBand dataType="UInt16" band="1">'
    "<SimpleSource><SourceFilename>{}</SourceFilename><SourceBand>1</SourceBand></SimpleSource>"
    "</VRTRasterBand></VRTDataset>"
)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A pair and its result."""
    folder = tmp_path_factory.mktemp("made")
    scene = land_scene(128, 128, seed=2)
    (folder / "in").mkdir()
    write(folder / "in/t1.tif", scene.t1)
    write(folder / "in/t2.tif", scene.t2)
    write(folder / "in/truth.tif", scene.reference[None].astype(np.uint8))
    here = Path.cwd()
    os.chdir(folder)
    assert main(PAIR) == 0
    os.chdir(here)
    return folder


@pytest.fixture
def here(made: Path, tmp_path: Path, monkeypatch) -> Path:
    shutil.copytree(made, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


def with_image(name: str = "mine.tif") -> None:
    """An image of the user's in OUT."""
    shutil.copy("in/t1.tif", f"out/{name}")


def detect_of(name: str, *more: str) -> tuple[str, ...]:
    return ("detect", name, "in/t2.tif", "-o", "out", "-q", *more, "--overwrite")


def an_input_in_out() -> tuple[str, ...]:
    with_image()
    return detect_of("out/mine.tif")


def an_input_of_our_name() -> tuple[str, ...]:
    with_image("before-view.tif")
    return detect_of("out/before-view.tif")


def a_link_to_out() -> tuple[str, ...]:
    Path("link.tif").symlink_to("out/before-view.tif")
    return detect_of("link.tif")


def a_hard_link() -> tuple[str, ...]:
    Path("same.tif").hardlink_to("out/before-view.tif")
    return detect_of("same.tif")


def a_url_of_a_file() -> tuple[str, ...]:
    return detect_of(f"file://{Path.cwd()}/out/before-view.tif")


def a_name_of_a_vrt() -> tuple[str, ...]:
    return detect_of("vrt://out/before-view.tif?bands=1,2,3")


def a_directory_of_a_tiff() -> tuple[str, ...]:
    return detect_of("GTIFF_DIR:1:out/before-view.tif")


def a_vrt_elsewhere() -> tuple[str, ...]:
    Path("a.vrt").write_text(VRT.format(f"{Path.cwd()}/out/before-view.tif"))
    return detect_of("a.vrt")


def a_mask() -> tuple[str, ...]:
    return detect_of("in/t1.tif", "--mask", "out/kind.tif:VALUES=1")


def zones() -> tuple[str, ...]:
    return detect_of("in/t1.tif", "--zones", "out/change.gpkg")


def an_area() -> tuple[str, ...]:
    return detect_of("in/t1.tif", "--aoi", "out/change.gpkg")


def weights() -> tuple[str, ...]:
    Path("out/weights.npz").write_bytes(b"mine")
    return detect_of("in/t1.tif", "--extractor", "out/weights.npz")


def a_log_in_out() -> tuple[str, ...]:
    return (*AGAIN, "--log-file", "out/run.json")


def a_log_that_is_an_input() -> tuple[str, ...]:
    return (*AGAIN, "--log-file", "in/t1.tif")


def a_log_that_is_a_mask() -> tuple[str, ...]:
    return (*AGAIN, "--mask", "in/truth.tif:VALUES=1", "--log-file", "in/truth.tif")


def a_log_of_wrong_options() -> tuple[str, ...]:
    return (*AGAIN, "--preset", "none", "--log-file", "in/t2.tif")


def a_reference_of_a_comparison() -> tuple[str, ...]:
    shutil.copy("in/truth.tif", "out/reference.tif")
    return ("compare", "in/t1.tif", "in/t2.tif", "--reference", "out/reference.tif", "-o", "out",
            "--overwrite", "-q")  # fmt: skip


def out_in_an_input() -> tuple[str, ...]:
    return ("detect", "in", "in/t2.tif", "-o", "in/out", "-q")


def a_file_of_our_name() -> tuple[str, ...]:
    Path("out/zones.csv").write_text("mine")
    return AGAIN


def an_edited_file() -> tuple[str, ...]:
    with Path("out/report.html").open("a") as stream:
        stream.write("<p>mine</p>")
    return AGAIN


def a_folder() -> tuple[str, ...]:
    Path("out/polygons.fgb").mkdir()
    Path("out/polygons.fgb/a").write_text("mine")
    return AGAIN


def a_link_in_out() -> tuple[str, ...]:
    Path("out/preview.png").unlink()
    Path("out/preview.png").symlink_to("../in/t1.tif")
    return AGAIN


def a_record_of_another_program() -> tuple[str, ...]:
    shutil.rmtree("out")
    Path("out").mkdir()
    Path("out/run.json").write_text('{"program": "mine", "versions": {"metriccd": "1"}}')
    return AGAIN


def a_demo_over_a_record() -> tuple[str, ...]:
    a_record_of_another_program()
    return ("demo", "-o", "out", "--overwrite", "-q")


def a_comparison_over_an_image() -> tuple[str, ...]:
    with_image("panel.png")
    return ("compare", "in/t1.tif", "in/t2.tif", "--reference", "in/truth.tif", "-o", "out",
            "--overwrite", "-q")  # fmt: skip


def a_threshold_over_an_edited_project() -> tuple[str, ...]:
    Path("out/project.qgz").write_bytes(b"mine")
    return ("threshold", "out", "0.5", "-q")


def an_evaluation_over_a_file() -> tuple[str, ...]:
    Path("out/errors.png").write_text("mine")
    return ("evaluate", "out", "--reference", "in/truth.tif", "-q")


def a_benchmark_over_tables() -> tuple[str, ...]:
    Path("bench/journal").mkdir(parents=True)
    Path("bench/table.csv").write_text("mine")
    for name in ("t1", "t2", "reference"):
        Path("set", name).mkdir(parents=True)
        source = "truth" if name == "reference" else name
        shutil.copy(f"in/{source}.tif", f"set/{name}/a.tif")
    return ("benchmark", "plain", "--root", "set", "--methods", "cva", "-o", "bench", "-q")


def a_link_beside_out() -> tuple[str, ...]:
    Path("elsewhere").mkdir()
    Path("elsewhere/finished").write_text("mine")
    Path(".out-unfinished").symlink_to("elsewhere")
    return AGAIN


def a_folder_beside_out() -> tuple[str, ...]:
    Path(".out-unfinished/work").mkdir(parents=True)
    Path(".out-unfinished/work/mine.txt").write_text("mine")
    return AGAIN


WAYS: dict[Callable[[], tuple[str, ...]], str] = {
    an_input_in_out: "out/mine.tif|mine.tif",
    an_input_of_our_name: "before-view.tif",
    a_link_to_out: "link.tif",
    a_hard_link: "same.tif",
    a_url_of_a_file: "before-view.tif",
    a_name_of_a_vrt: "before-view.tif",
    a_directory_of_a_tiff: "before-view.tif",
    a_vrt_elsewhere: "before-view.tif",
    a_mask: "kind.tif",
    zones: "change.gpkg",
    an_area: "change.gpkg",
    weights: "weights.npz",
    a_log_in_out: "run.json",
    a_log_that_is_an_input: "t1.tif",
    a_log_that_is_a_mask: "truth.tif",
    a_log_of_wrong_options: "t2.tif",
    a_reference_of_a_comparison: "reference.tif",
    out_in_an_input: "in/out",
    a_file_of_our_name: "zones.csv",
    an_edited_file: "report.html (changed since)",
    a_folder: "polygons.fgb",
    a_link_in_out: "preview.png",
    a_record_of_another_program: "none",
    a_demo_over_a_record: "none",
    a_comparison_over_an_image: "panel.png",
    a_threshold_over_an_edited_project: "project.qgz",
    an_evaluation_over_a_file: "errors.png",
    a_benchmark_over_tables: "table.csv",
    a_link_beside_out: ".out-unfinished",
    a_folder_beside_out: ".out-unfinished",
}


@pytest.mark.parametrize("way", WAYS)
def test_what_is_the_users_stays_to_the_last_byte(here: Path, way, capsys) -> None:
    command = way()
    before = contents(here)
    code = main(command)
    captured = capsys.readouterr()
    assert (code, captured.out, captured.err.count("\n")) == (3, "", 1), captured.err
    assert any(name in captured.err for name in WAYS[way].split("|")), captured.err
    assert len(captured.err) < 600
    assert contents(here) == before
    assert not list(here.glob(".out-*/result"))


def test_who_only_looked_may_replace_and_decide_and_evaluate(here: Path, capsys) -> None:
    Path("out/score.tif.aux.xml").write_text("<PAMDataset></PAMDataset>")
    Path("out/.DS_Store").write_bytes(b"0")
    assert main(("evaluate", "out", "--reference", "in/truth.tif", "-q")) == 0
    assert main(("threshold", "out", "0.5", "-q")) == 0
    assert main(("evaluate", "out", "--reference", "in/truth.tif", "-q")) == 0
    assert main(AGAIN) == 0
    assert {path.name for path in Path("out").iterdir()} == FILES
    assert {path.name for path in here.iterdir()} == {"in", "out"}
    assert capsys.readouterr().err == ""


def test_a_demo_is_decided_and_replaced_with_its_images(here: Path) -> None:
    demo = ("demo", "-o", "demo", "--size", "128", "-q")
    assert main(demo) == 0
    assert main(("threshold", "demo", "0.5", "-q")) == 0
    assert (here / "demo/before.tif").is_file()
    assert main(("evaluate", "demo", "--reference", "demo/reference.tif", "-q")) == 0
    assert main((*demo, "--overwrite")) == 0


def test_out_may_be_the_working_folder_of_a_result(here: Path, monkeypatch) -> None:
    monkeypatch.chdir(here / "out")
    pair = ("detect", "../in/t1.tif", "../in/t2.tif", "-o", ".", "--preset", "fast")
    assert main((*pair, "-q")) == 3
    assert main((*pair, "--overwrite")) == 0
    assert Path("run.json").is_file()
    assert {path.name for path in here.iterdir()} == {"in", "out"}


def test_an_earlier_result_that_comes_back_is_said(here: Path, capsys) -> None:
    shop = Path(".out-unfinished")
    shop.mkdir()
    (shop / ".metriccd").write_text('{"metriccd": "unfinished"}')
    Path("out").rename(shop / "old")
    before = contents(shop / "old")
    assert main(("evaluate", "out", "--reference", "in/none.tif", "-q")) == 3
    assert contents(here / "out") == before
    shop.mkdir()
    (shop / ".metriccd").write_text('{"metriccd": "unfinished"}')
    Path("out").rename(shop / "old")
    capsys.readouterr()
    assert main(("threshold", "out", "0.5", "--json")) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["threshold"] == 0.5
    assert captured.err.startswith("restored: the earlier result in out")


def test_a_second_process_is_refused_and_after_a_kill_the_next_one_is_not(here: Path) -> None:
    before = contents(here / "out")
    code = (
        "import sys, time\n"
        "from metriccd.cli import main\n"
        "from metriccd.scene import Files\n"
        "def admit(self, seen):\n"
        "    print('tile', flush=True)\n"
        "    time.sleep(60)\n"
        "Files.admit = admit\n"
        "main(sys.argv[1:])\n"
    )
    run = subprocess.Popen([sys.executable, "-c", code, *AGAIN], stdout=subprocess.PIPE, text=True)
    with run:
        assert run.stdout.readline() == "tile\n"
        for command in (AGAIN, ("threshold", "out", "0.5", "-q")):
            assert main(command) == 3
        time.sleep(0.1)
        run.send_signal(signal.SIGKILL)
    assert contents(here / "out") == before
    assert main(AGAIN) == 0
    assert {path.name for path in here.iterdir()} == {"in", "out"}


def test_a_log_that_is_an_image_or_a_mask_of_a_series_is_refused(here: Path, capsys) -> None:
    series = ("series", "in/t1.tif", "in/t2.tif", "-o", "new", "--mask-of", "2=in/truth.tif")
    before = contents(here)
    for log in ("in/t2.tif", "in/truth.tif"):
        assert main((*series, "--log-file", log)) == 3
        assert "--log-file must not be an input" in capsys.readouterr().err
    assert contents(here) == before
