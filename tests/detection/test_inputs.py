"""A run goes on with what is of the same inputs, and with nothing that is of others."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.shutil import copy
from torch import nn

from metriccd.demo.synthetic import land_scene
from metriccd.detection import Detection, detect, detect_into
from metriccd.detection.calls import requested
from metriccd.detection.inputs import Inputs
from metriccd.errors import DataError
from metriccd.nets import load_extractor
from metriccd.pair import read_pair
from metriccd.stages import Stages
from raster_files import write


@dataclass(frozen=True)
class Place:
    """A folder with an image, a later one, and another later one of the same size."""

    folder: Path
    images: tuple[np.ndarray, np.ndarray, np.ndarray]

    def path(self, name: str) -> Path:
        return self.folder / name

    def later(self, name: str = "b.tif", *, other: bool = False) -> Path:
        return write(self.path(name), self.images[2 if other else 1])


@pytest.fixture
def place(tmp_path: Path) -> Place:
    scene = land_scene(64, 80, seed=4)
    write(tmp_path / "a.tif", scene.t1)
    return Place(tmp_path, (scene.t1, scene.t2, np.ascontiguousarray(scene.t2[:, ::-1])))


def key(place: Place, later: str | Path, **asked: object) -> str:
    return Detection.of(requested("out", place.path("a.tif"), later, **asked)[0]).key()


def replaced(path: Path, make: Callable[[], object]) -> None:
    """Makes a file anew, of the same size and dates."""
    before = path.stat()
    make()
    os.truncate(path, max(before.st_size, path.stat().st_size))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def plain(place: Place) -> tuple[str, Callable[[], None]]:
    path = place.later()
    return str(path), lambda: replaced(path, partial(place.later, other=True))


def by_address(place: Place) -> tuple[str, Callable[[], None]]:
    path, replace = plain(place)
    return f"file://{path}", replace


def nested(place: Place) -> tuple[str, Callable[[], None]]:
    """A VRT of a VRT."""
    path, replace = plain(place)
    copy(path, str(place.path("inner.vrt")), driver="VRT")
    text = place.path("inner.vrt").read_text()
    inner = '<SourceFilename relativeToVRT="1">inner.vrt</SourceFilename>'
    start, end = text.index("<SourceFilename"), text.index("</SourceFilename>")
    old = text[start : end + len("</SourceFilename>")]
    place.path("outer.vrt").write_text(text.replace(old, inner))
    return str(place.path("outer.vrt")), replace


def zipped(place: Place) -> tuple[str, Callable[[], None]]:
    archive = place.path("b.zip")

    def pack(*, other: bool = False) -> None:
        with zipfile.ZipFile(archive, "w") as target:
            target.write(place.later(other=other), "b.tif")

    pack()
    return f"/vsizip/{archive}/b.tif", lambda: replaced(archive, partial(pack, other=True))


def folder(place: Place) -> tuple[str, Callable[[], None]]:
    place.path("bands").mkdir()
    for number, band in enumerate(place.images[1], start=2):
        write(place.path(f"bands/x_B{number:02}.tif"), band[np.newaxis])
    third = place.path("bands/x_B04.tif")
    band = place.images[2][2:3]
    return str(place.path("bands")), lambda: replaced(third, lambda: write(third, band))


def masked(place: Place) -> tuple[str, Callable[[], None]]:
    """A mask that appears beside the file."""
    path = str(place.later())

    def mask() -> None:
        with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False), rasterio.open(path, "r+") as target:
            target.write_mask(np.eye(64, 80, dtype="uint8") * 255)

    return path, mask


def header(place: Place) -> tuple[str, Callable[[], None]]:
    copy(str(place.later()), str(place.path("b.dat")), driver="ENVI")
    text = place.path("b.hdr")
    other = text.read_text().replace("byte order = 0", "byte order = 1")
    return str(place.path("b.dat")), lambda: replaced(text, lambda: text.write_text(other))


@pytest.mark.parametrize(
    "kind", [plain, by_address, nested, zipped, folder, masked, header], ids=lambda x: x.__name__
)
def test_what_an_image_is_made_of_is_known_whatever_its_size_and_date_say(
    place: Place, kind: Callable[[Place], tuple[str, Callable[[], None]]]
) -> None:
    later, replace = kind(place)
    before = key(place, later)
    assert key(place, later) == before
    replace()
    assert key(place, later) != before


def test_masks_areas_and_weights_are_known_too(place: Place) -> None:
    later = place.later()
    mask = write(place.path("mask.tif"), np.eye(64, 80, dtype=np.uint8)[np.newaxis])
    area = place.path("area.geojson")
    ring = "[[600000,4800000],[600700,4800000],[600700,4799400],[600000,4799400],[600000,4800000]]"
    area.write_text(
        '{"type":"Polygon","crs":{"type":"name","properties":{"name":"EPSG:32632"}},'
        f'"coordinates":[{ring}]}}'
    )
    network = load_extractor("embedded")
    for asked in ({"masks": mask}, {"aoi": area}, {"extractor": network}):
        before = key(place, later, **asked)
        assert key(place, later, **asked) == before
        if "masks" in asked:
            write(mask, np.eye(64, 80, 3, dtype=np.uint8)[np.newaxis])
        elif "aoi" in asked:
            area.write_text(area.read_text().replace("4799400", "4799500"))
        else:
            next(network.parameters()).data += 1
        assert key(place, later, **asked) != before


def test_two_modules_of_equal_weights_are_two_extractors(place: Place) -> None:
    one, other = (nn.Sequential(nn.Conv2d(3, 4, 3), layer) for layer in (nn.ReLU(), nn.Tanh()))
    other.load_state_dict(one.state_dict())
    later = place.later()
    assert key(place, later, extractor=one) != key(place, later, extractor=other)


def test_the_same_content_is_the_same_wherever_and_whenever_it_was_written(place: Place) -> None:
    later = place.later()
    before = key(place, later)
    os.utime(later, ns=(0, 0))
    later.chmod(0o600)
    assert key(place, later) == before
    moved = Path(shutil.copyfile(later, place.path("moved.tif")))
    assert key(place, moved) == before
    mask = write(place.path("mask.tif"), np.eye(64, 80, dtype=np.uint8)[None])
    masked = key(place, later, masks=[mask])
    other = Path(shutil.copyfile(mask, place.path("clouds.tif")))
    assert key(place, later, masks=[other]) == masked != before


@pytest.fixture
def server(place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("GDAL_DISABLE_READDIR_ON_OPEN", "EMPTY_DIR")
    command = [sys.executable, Path(__file__).with_name("plain_server.py"), place.folder]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        process.kill()


def test_what_a_server_says_of_an_image_is_part_of_it(place: Place, server: str) -> None:
    later = place.later()
    os.utime(later, (1_000_000_000, 1_000_000_000))
    before = key(place, f"{server}/b.tif")
    assert key(place, f"{server}/b.tif") == before
    os.utime(later, (1_100_000_000, 1_100_000_000))
    assert key(place, f"{server}/b.tif") != before
    place.path("undated").touch()
    assert key(place, f"{server}/b.tif") != key(place, f"{server}/b.tif")


@pytest.mark.parametrize("call", [detect, partial(detect_into, "out")], ids=["arrays", "files"])
def test_an_image_that_changes_meanwhile_is_refused(
    place: Place, call: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place.folder)
    later = place.later()

    def progress(stage: str, done: int, _total: int) -> None:
        if (stage, done) == ("kinds", 1):
            replaced(later, partial(place.later, other=True))

    with pytest.raises(DataError, match=r"inputs must stay as they are .*b\.tif changed since"):
        call("a.tif", later, preset="fast", progress=progress)
    assert not list(place.folder.glob("*out*"))


def test_what_was_only_touched_meanwhile_is_read_again_and_taken(place: Place) -> None:
    later = place.later()
    pair = read_pair(place.path("a.tif"), later)
    inputs = Inputs.of(pair, "embedded")
    inputs.read(Stages())
    os.utime(later, ns=(0, 0))
    inputs.require_unchanged()
    later.unlink()
    with pytest.raises(DataError, match="is gone"):
        inputs.require_unchanged()


def test_statistics_that_others_leave_beside_an_image_are_no_part_of_it(place: Place) -> None:
    later = place.later()
    with rasterio.open(later, "r+") as image:
        image.set_band_description(1, "red")
    beside = later.with_name("b.tif.aux.xml")
    statistics = (
        '<PAMDataset><PAMRasterBand band="1"><Description>red</Description><Histograms><HistItem>'
        "<HistMin>1</HistMin></HistItem></Histograms><Metadata>"
        '<MDI key="STATISTICS_MEAN">2</MDI></Metadata>{}</PAMRasterBand></PAMDataset>'
    )
    without = key(place, later)
    beside.write_text(statistics.format(""))
    assert key(place, later) == without
    inputs = Inputs.of(read_pair(place.path("a.tif"), later), "embedded")
    inputs.read(Stages())
    assert str(beside) in {str(path) for path in inputs.files[1]}
    beside.write_text(statistics.replace("2<", "3<").format(""))
    inputs.require_unchanged()
    beside.unlink()
    inputs.require_unchanged()
    beside.write_text(statistics.format("<NoDataValue>7</NoDataValue>"))
    assert key(place, later) != without
    with pytest.raises(DataError, match=r"b\.tif\.aux\.xml changed since"):
        inputs.require_unchanged()
