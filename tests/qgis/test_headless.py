"""The plugin in QGIS itself, on a real pair: it runs, loads, cancels, goes on and refuses."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from zipfile import ZipFile

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from matplotlib.image import imread
from pack import PLUGIN, pack
from rasterio.windows import Window

import metriccd

SESSION = Path(__file__).with_name("qgis_session.py")
SOURCE = Path(metriccd.__file__).parents[1]
# Without --noversioncheck, which Debian's script around it adds and it does not know.
PROCESS = "/usr/bin/qgis_process.bin"
BANDS = ("B04", "B03", "B02", "B08")
PART = Window(150, 60, 240, 220)

Steps = Callable[..., list[Any]]


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command as it would be installed."""
    path = tmp_path_factory.mktemp("bin") / "metriccd"
    words = ["env", f"PYTHONPATH={SOURCE}", sys.executable, "-m", "metriccd"]
    path.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
    path.chmod(0o755)
    return path


@pytest.fixture(scope="module")
def pair(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Two dates of Rennes, 240 × 220 pixels, in files of the bands at 10 m."""
    folder = tmp_path_factory.mktemp("pair")
    return tuple(
        str(stacked(data / "oscd" / "rennes" / f"imgs_{number}", folder / name))
        for number, name in ((1, "rennes-2015-08-21.tif"), (2, "rennes-2017-06-21.tif"))
    )


def stacked(bands: Path, path: Path) -> Path:
    with ExitStack() as stack:
        files = [stack.enter_context(rasterio.open(*bands.glob(f"*_{name}.tif"))) for name in BANDS]
        profile = files[0].profile | {
            "count": len(files),
            "width": PART.width,
            "height": PART.height,
            "transform": files[0].window_transform(PART),
        }
        target = stack.enter_context(rasterio.open(path, "w", **profile))
        for number, (name, file) in enumerate(zip(BANDS, files, strict=True), start=1):
            target.write(file.read(1, window=PART), number)
            target.set_band_description(number, name)
    return path


@pytest.fixture
def session(qgis: Callable[..., Any], command: Path) -> Steps:
    """Does steps in a session of QGIS."""
    return lambda *steps: qgis(SESSION, PLUGIN.parent, command, given=steps)


def detect(pair: tuple[str, str], out: Path | str, **more: object) -> tuple[str, dict[str, Any]]:
    before, after = pair
    return "metriccd:detect", {"BEFORE": before, "AFTER": after, "OUTPUT": str(out), **more}


def titles_of_project(out: Path) -> Iterator[tuple[str, bool]]:
    with ZipFile(out / "project.qgz") as archive:
        root = ElementTree.fromstring(archive.read("project.qgs"))
    for node in root.find("layer-tree-group/layer-tree-group[@name='Change']"):
        yield node.get("name"), node.get("checked") == "Qt::Checked"


def test_results_are_loaded_with_their_styles_and_follow_another_threshold(
    session: Steps, pair: tuple[str, str], tmp_path: Path
) -> None:
    out, picture = tmp_path / "rennes", tmp_path / "look.png"
    quick = detect(pair, out, METHOD="cva")
    _, first, again, changed, _ = session(
        ("open", pair[1]),
        ("run", *quick),
        ("run", *quick),
        ("run", "metriccd:threshold", {"RESULT": str(out), "VALUE": "0.6", "MIN_PIXELS": 10}),
        ("draw", str(picture)),
    )
    assert first["well"]
    assert first["main_thread"] == [False]
    assert first["stages"][-2:] == ["writing the report", "Loading resulting layers"]
    assert first["percents"] == sorted(first["percents"])
    assert first["percents"][-1] == 100
    layers = first["tree"]["rennes"]
    assert [(each["title"], each["shown"]) for each in layers] == list(titles_of_project(out))
    assert {each["title"]: each["renderer"] for each in layers} == {
        "change objects": "singleSymbol",
        "change map": "paletted",
        "kinds of change": "paletted",
        "clusters of change": "paletted",
        "change score": "singlebandpseudocolor",
    }
    assert all(each["valid"] and each["crs"] == "EPSG:4326" for each in layers)
    record = json.loads((out / "run.json").read_text())
    assert record["threshold"]["value"] == changed["results"]["THRESHOLD_FOUND"] == 0.6
    assert first["results"]["OBJECTS"] == layers[0]["features"] > changed["results"]["OBJECTS"] > 0

    assert not again["well"]
    (error,) = again["errors"]
    assert error.startswith("OUT must not exist")
    assert "parameters of this algorithm" in again["info"][-1]

    # Nothing is loaded twice; what is there shows what the files hold now.
    now = changed["tree"]["rennes"]
    assert [each["title"] for each in now] == [each["title"] for each in layers]
    assert now[0]["features"] == changed["results"]["OBJECTS"]
    assert len(gpd.read_file(out / "change.gpkg", layer="change")) == now[0]["features"]
    drawn = imread(picture)[..., :3]
    magenta = (np.abs(drawn - np.array([240, 0, 140]) / 255) < 0.05).all(axis=-1)
    assert 0.003 < magenta.mean() < 0.1


def box(image: str, left: float, right: float) -> str:
    """A part of an image, between two shares of its width."""
    with rasterio.open(image) as opened:
        west, south, east, north = opened.bounds
    ends = [west + share * (east - west) for share in (left, right)]
    corners = [(ends[0], south), (ends[1], south), (ends[1], north), (ends[0], north)]
    return f"POLYGON(({', '.join(f'{x!r} {y!r}' for x, y in (*corners, corners[0]))}))"


@pytest.mark.slow
def test_what_is_canceled_leaves_nothing_and_goes_on(
    session: Steps, pair: tuple[str, str], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    # The sketch is written to another file each time; QGIS writes statistics beside the images.
    name, asked = detect(pair, out, PRESET="fast", AOI={"step": 0})
    _, canceled, resumed = session(
        ("sketch", box(pair[0], 0.2, 1), "EPSG:4326"),
        ("run", name, asked, "grouping changes"),
        ("run", name, asked),
    )
    assert not canceled["results"]
    assert "as it was" in canceled["info"][-1]
    assert "writing rasters" not in canceled["stages"]
    assert set(canceled["tree"]) == {""}
    assert resumed["well"]
    assert any(line.startswith("resuming: the fit") for line in resumed["info"])
    assert "predicting each date from the other" not in resumed["stages"]
    assert resumed["tree"]["out"][0]["features"] == resumed["results"]["OBJECTS"]


@pytest.mark.slow
def test_layers_that_are_in_no_file_serve_as_area_and_mask_but_not_as_image(
    session: Steps, pair: tuple[str, str], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with rasterio.open(pair[0]) as image:
        west, south, east, north = image.bounds
    _, _, _, found, refused, same = session(
        ("sketch", box(pair[0], 0, 0.5), "EPSG:4326"),
        ("sketch", box(pair[0], 0, 0.25), "EPSG:4326"),
        ("compute", pair[1]),
        (
            "run",
            *detect(
                pair,
                out,
                METHOD="cva",
                AOI={"step": 0},
                MASKS=[{"step": 1}],
                EXTENT=f"{west},{east},{(south + north) / 2},{north} [EPSG:4326]",
                LOAD=False,
            ),
        ),
        ("run", *detect((pair[0], {"step": 2}), tmp_path / "other")),
        ("run", *detect((pair[0], pair[0]), tmp_path / "other")),
    )
    assert found["well"], found["errors"]
    assert set(found["tree"]) == {""}
    with rasterio.open(out / "change.tif") as change:
        assert (change.read(1) != 255).sum() == 60 * 110
    assert not refused["well"]
    (error,) = refused["errors"]
    assert error.startswith("images must be files: layer computed is of provider virtualraster")
    assert "choose two images" in same["errors"][0]


def test_a_series_is_compared_followed_and_loaded(
    session: Steps, pair: tuple[str, str], tmp_path: Path
) -> None:
    names = []
    for date, source in zip(
        ("2019-06-01", "2020-06-01", "2021-06-01"), (*pair, pair[1]), strict=True
    ):
        with rasterio.open(source) as file:
            part = Window(80, 100, 96, 96)
            pixels = file.read(window=part) + np.uint16(len(names))
            profile = file.profile | {"width": 96, "height": 96, "driver": "GTiff"}
            profile["transform"] = file.window_transform(part)
        names.append(str(tmp_path / f"{date}.tif"))
        with rasterio.open(names[-1], "w", **profile) as file:
            file.write(pixels)
    asked = {"OUTPUT": str(tmp_path / "followed"), "METHOD": "cva", "LOAD": True}
    twice, done = session(
        ("run", "metriccd:series", {"IMAGES": [names[0], names[0]], **asked}),
        ("run", "metriccd:series", {"IMAGES": names[::-1], **asked}),
    )
    assert twice["errors"] == ["choose each image once: 2019-06-01 is there twice"]
    assert done["well"], done["errors"]
    assert [line for line in done["stages"] if line.startswith("pair ")] == [
        "pair 1 of 3: 2019-06-01_2020-06-01",
        "pair 2 of 3: 2020-06-01_2021-06-01",
        "pair 3 of 3: 2019-06-01_2021-06-01",
    ]
    assert done["percents"] == sorted(done["percents"])
    layers = done["tree"]["followed"]
    assert [each["title"] for each in layers] == [
        "objects of a series",
        "what lasted",
        "when it changed first",
        "how often it changed",
    ]
    assert all(each["valid"] for each in layers)
    assert [each["renderer"] for each in layers[1:3]] == ["paletted", "paletted"]
    assert done["results"]["OBJECTS"] == layers[0]["features"]
    assert Path(done["results"]["PERSISTENCE"]).is_file()
    assert any(line.startswith("3 images: ") for line in done["info"])


@pytest.mark.slow
def test_the_zip_serves_qgis_process_and_says_what_it_misses(
    around_qgis: dict[str, str], command: Path, pair: tuple[str, str], tmp_path: Path
) -> None:
    if not Path(PROCESS).is_file():
        pytest.skip("needs qgis_process: apt-get install qgis")
    with ZipFile(pack(tmp_path)) as archive:
        archive.extractall(tmp_path / "plugins")
    around = around_qgis | {
        "QGIS_PLUGINPATH": str(tmp_path / "plugins"),
        # As in bundles of QGIS, which bring a Python and GDAL of their own.
        "GDAL_DATA": "/nowhere",
        "PROJ_LIB": "/nowhere",
    }

    def process(*words: str, path: str = "/usr/bin:/bin") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [PROCESS, *words],
            env=around | {"PATH": path},
            capture_output=True,
            check=False,
            text=True,
            timeout=900,
        )

    assert f"* {PLUGIN.name}" in process("plugins", "enable", PLUGIN.name).stdout
    name, asked = detect(pair, tmp_path / "out", METHOD="cva")
    words = ["run", name, *(f"--{key}={value}" for key, value in asked.items())]
    missing = process(*words)
    assert missing.returncode
    assert "metriccd must be installed" in missing.stderr
    done = process(*words, path=f"{command.parent}:/usr/bin:/bin")
    assert done.returncode == 0, done.stderr
    assert f"POLYGONS:\t{tmp_path}/out/change.gpkg" in done.stdout
    assert len(gpd.read_file(tmp_path / "out" / "change.gpkg", layer="change"))
