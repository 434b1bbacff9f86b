"""Originals: shown only if they are, byte for byte, what the result was made of."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

import metriccd as mcd
from metriccd.demo.synthetic import land_scene
from metriccd.output import RECORD
from metriccd.raster import Grid, Window, open_raster
from metriccd.view.originals import Originals, find_originals
from raster_files import write
from viewed import moved


@pytest.fixture
def made(tmp_path: Path) -> tuple[Path, dict[str, Any], Grid]:
    out = moved(tmp_path / "made")
    record = json.loads((out / RECORD).read_text())
    return tmp_path / "made", record, open_raster(out / "score.tif").grid


def test_images_that_are_still_there_are_shown(made) -> None:
    _, record, grid = made
    found = find_originals(record, grid)
    assert isinstance(found, Originals)
    with found.reader("t2") as read:
        pixels, valid = read(Window.whole(grid.shape), 1)
    assert pixels.shape == (3, *grid.shape)
    assert valid.all()


def test_an_image_that_changed_by_a_byte_is_not_opened(made) -> None:
    folder, record, grid = made
    path = sorted(folder.glob("S2_*.tif"))[0]
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert "changed" in str(find_originals(record, grid))
    path.unlink()
    assert "not there" in str(find_originals(record, grid))


@pytest.mark.parametrize("name", ["/etc/hostname", "/dev/zero", "/vsicurl/http://x/y.tif", "x\0y"])
def test_a_record_cannot_name_a_file_whose_content_it_does_not_know(made, name: str) -> None:
    _, record, grid = made
    image = record["inputs"]["t1"]
    image["path"] = name
    image["files"][0]["path"] = name
    assert isinstance(find_originals(record, grid), str)


def test_a_record_cannot_open_another_file_than_the_one_it_knows(made) -> None:
    folder, record, grid = made
    secret = write(folder / "secret.tif", land_scene(96, 128, seed=9).t1)
    record["inputs"]["t1"]["path"] = str(secret)
    assert "parts of other files" in str(find_originals(record, grid))
    # Nor by way of a VRT whose own bytes are known.
    record["inputs"]["t1"]["path"] = f"vrt://{secret}"
    assert isinstance(find_originals(record, grid), str)


@pytest.mark.parametrize("broken", [{"inputs": 3}, {"inputs": {"t1": [], "t2": []}}])
def test_a_record_that_says_nothing_of_them_is_no_fault(made, broken) -> None:
    _, record, grid = made
    assert isinstance(find_originals(record | broken, grid), str)
    del record["settings"]
    assert isinstance(find_originals(record, grid), str)


def test_arrays_have_no_files(tmp_path: Path) -> None:
    scene = land_scene(96, 128, seed=2)
    mcd.detect(scene.t1, scene.t2, method="cva").save(tmp_path / "out")
    record = json.loads((tmp_path / "out" / RECORD).read_text())
    grid = open_raster(tmp_path / "out" / "score.tif").grid
    assert "not files" in str(find_originals(record, grid))


def test_t2_is_shown_where_it_was_moved_to(tmp_path: Path) -> None:
    scene = land_scene(256, 256, seed=3, shift=0.0, haze=0.0)
    other = np.roll(scene.t1, (3, -4), (1, 2))
    # Something else must differ.
    other[:, 200:220, 200:220] += 2000
    paths = [write(tmp_path / f"{n}.tif", im) for n, im in (("a", scene.t1), ("b", other))]
    mcd.detect_into(tmp_path / "out", *paths, method="cva", coregister="global")
    record = json.loads((tmp_path / "out" / RECORD).read_text())
    assert record["settings"]["coregistered"] == "global"
    grid = open_raster(tmp_path / "out" / "score.tif").grid
    found = find_originals(record, grid)
    assert isinstance(found, Originals)
    window = Window(row=40, col=40, height=100, width=100)
    with found.reader("t1") as one, found.reader("t2") as other:
        first, second = one(window, 1)[0], other(window, 1)[0]
    assert np.corrcoef(first.ravel(), second.ravel())[0, 1] > 0.99


def test_band_folders_are_shown(tmp_path: Path) -> None:
    scene = land_scene(96, 128, seed=2)
    for name, image in (("one", scene.t1), ("two", scene.t2)):
        (tmp_path / name).mkdir()
        for band, pixels in zip(("B04", "B03", "B02", "B08"), image, strict=True):
            write(tmp_path / name / f"T32_{band}.tif", pixels[None])
    mcd.detect_into(tmp_path / "out", tmp_path / "one", tmp_path / "two", method="cva")
    record = json.loads((tmp_path / "out" / RECORD).read_text())
    grid = open_raster(tmp_path / "out" / "score.tif").grid
    assert isinstance(find_originals(record, grid), Originals)
    # A folder that holds a further band file shows that one too: it is another image.
    shutil.copy(tmp_path / "one" / "T32_B04.tif", tmp_path / "one" / "T32_B05.tif")
    assert isinstance(find_originals(record, grid), Originals)


def test_a_small_copy_is_the_mean_of_what_is_valid(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(1, 9, (3, 2900, 40)).astype(np.uint16)
    image[:, :8, :8] = 0
    raster = open_raster(write(tmp_path / "a.tif", image, nodata=0))
    found = Originals(rasters=(raster, raster), grids=(raster.grid, raster.grid), step=4).copied(
        lambda: True
    )
    blocks = np.where(image == 0, np.nan, image).reshape(3, 725, 4, 10, 4)
    with np.errstate(invalid="ignore"):
        means = np.nanmean(blocks[:, 2:], axis=(2, 4))
    assert np.allclose(found.small[0][:, 2:], means, atol=0.5)
    assert np.isnan(found.small[0][:, :2, 0]).all()
    with found.reader("t1") as read:
        pixels, valid = read(Window(row=0, col=0, height=363, width=5), 8)
    assert not valid[0, 0]
    assert valid[1:].all()
    whole = np.nanmean(found.small[0][:, 2:724].reshape(3, 361, 2, 5, 2), axis=(2, 4))
    assert np.allclose(pixels[:, 1:362], whole, atol=0.01)


def test_they_are_stretched_as_the_pictures_of_the_result(made) -> None:
    folder, record, grid = made
    found = find_originals(record, grid)
    assert isinstance(found, Originals)
    for number, (date, name) in enumerate((("t1", "before"), ("t2", "after"))):
        with found.reader(date) as read:
            pixels, _ = read(Window.whole(grid.shape), 1)
        with rasterio.open(folder / "out" / f"{name}-view.tif") as source:
            view = source.read()[:3]
        shown = np.rint(255 * found.stretch.applied(pixels, number))
        assert np.abs(shown - view).max() <= 1
    # Records of old do not tell: then of the small copies.
    del record["display"]
    assert find_originals(record, grid).stretch.shared


def test_a_link_counts_by_where_it_leads(made) -> None:
    folder, record, grid = made
    path = sorted(folder.glob("S2_*.tif"))[0]
    os.rename(path, folder / "kept.tif")  # noqa: PTH104
    path.symlink_to(folder / "kept.tif")
    # The same bytes: whoever wrote the record had them.
    assert isinstance(find_originals(record, grid), Originals)
