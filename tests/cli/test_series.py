"""The command that follows a place through more than two dates."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from metriccd.cli.program import main
from metriccd.demo.synthetic import land_scene
from raster_files import write

FAST = ("--preset", "fast")
DAYS = ("2019-06-01", "2020-06-02", "2021-06-03")


@pytest.fixture
def images(tmp_path: Path, monkeypatch) -> list[str]:
    """Three images of a place: as it was, changed, and as it was again; in an empty folder."""
    scene = land_scene(96, 96, seed=2)
    again = scene.t1 + np.random.default_rng(0).integers(0, 8, scene.t1.shape, dtype=np.uint16)
    (tmp_path / "in").mkdir()
    for day, pixels in zip(DAYS, (scene.t1, scene.t2, again), strict=True):
        write(tmp_path / f"in/scene_{day}.tif", pixels)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return [f"../in/scene_{day}.tif" for day in DAYS]


def run(*arguments: object, capsys) -> tuple[int, str, str]:
    code = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_series_writes_a_folder_and_says_where_to_look(images: list[str], capsys) -> None:
    code, out, err = run("series", *images[::-1], "-o", "out", *FAST, capsys=capsys)
    assert code == 0
    assert out.startswith("3 images: ")
    assert "transient" in out
    assert "Open out/report.html in a browser, or out/first_change.tif in QGIS." in out
    assert "pair 1 of 3: 2019-06-01_2020-06-02" in err
    assert f"warning: the images were put in order of time: {', '.join(DAYS)}" in err
    page = Path("out/report.html").read_text(encoding="utf-8")
    assert page.count('href="pairs/') == 3
    assert "http" not in page
    assert Path("out/pairs/2019-06-01_2021-06-03/report.html").is_file()


def test_json_is_one_object_and_masks_of_one_image_are_its_own(images: list[str], capsys) -> None:
    cloud = np.zeros((1, 96, 96), np.uint8)
    cloud[0, :48] = 1
    write(Path("../in/cloud.tif"), cloud)
    asked = ("--mask-of", "2=../in/cloud.tif", "--json", *FAST)
    code, out, _ = run("series", *images[:2], "-o", "out", *asked, capsys=capsys)
    content = json.loads(out)
    assert code == 0
    assert content["out"] == "out"
    assert content["valid_pixels"] == 48 * 96
    assert content["kinds"]["new"]["pixels"] > 0
    assert [each["name"] for each in content["images"]] == list(DAYS[:2])


@pytest.mark.parametrize(
    ("asked", "code", "line"),
    [
        (("--mask-of", "clouds.tif"), 2, "--mask-of must be a number and a mask"),
        (("--mask-of", "4=clouds.tif"), 3, "from 1 to 3: got 4"),
        (("--dates", "2019-06-01,2020-06-01"), 3, "3 dates such as"),
        (("--dates", "2019-06-01,2020-06-01,2020-06-01"), 3, "of different days"),
        (("--preset", "slow"), 2, "no preset"),
        (("--bands", "9"), 3, "error: pair 2019-06-01_2020-06-02: "),
    ],
)
def test_what_is_wrong_is_told_in_a_line(
    images: list[str], asked: tuple[str, ...], code: int, line: str, capsys
) -> None:
    found, _, err = run("series", *images, "-o", "out", *asked, capsys=capsys)
    assert found == code
    assert line in " ".join(err.replace("\u2502", " ").split())
    assert not Path("out").exists()


def test_an_interrupt_keeps_pairs_and_the_same_command_goes_on(images: list[str], capsys) -> None:
    command = ["series", *images, "-o", "out", *FAST]
    with subprocess.Popen(
        [sys.executable, "-m", "metriccd", *command], stderr=subprocess.PIPE, text=True
    ) as process:
        deadline = time.monotonic() + 300
        while not Path(".out-pairs/2019-06-01_2020-06-02.key").exists():
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGINT)
        _, err = process.communicate()
    assert process.returncode == 130
    assert "kept in" in err
    assert "the same command goes on" in err
    code, _, err = run(*command, capsys=capsys)
    assert code == 0
    assert "of the interrupted run are kept" in err
    assert sorted(path.name for path in Path().iterdir()) == ["out"]
