"""Fill that lossy compression blurred: found where it is, and taken for data where it is none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from scipy.ndimage import distance_transform_edt

from metriccd.pair import read_pair
from metriccd.pair.fill import blurred_fill
from metriccd.raster import Window, open_raster
from raster_files import TRANSFORM, UTM

MARGIN = 48
LOSSY = [
    {"compress": "JPEG", "photometric": "YCBCR", "JPEG_QUALITY": 75},
    {"compress": "JPEG", "JPEG_QUALITY": 30, "tiled": True, "blockxsize": 64, "blockysize": 64},
    {"driver": "JPEG", "QUALITY": 90},
    {"compress": "WEBP", "WEBP_LEVEL": 50},
]


def scene(data: Path, date: int) -> np.ndarray:
    with rasterio.open(data / f"oscd/pisa/pair/img{date}.png") as dataset:
        # Nothing black of its own.
        return np.maximum(dataset.read([1, 2, 3]), 1)


def turned_frame(shape: tuple[int, ...]) -> np.ndarray:
    rows, cols = np.indices(shape)
    return (cols + 0.2 * rows < 90) | (rows + 0.1 * cols < 40)


def write(path: Path, pixels: np.ndarray, **profile) -> Path:
    told = {"driver": "GTiff", "crs": UTM, "transform": TRANSFORM, "dtype": "uint8"} | profile
    count, height, width = pixels.shape
    with rasterio.open(path, "w", count=count, height=height, width=width, **told) as target:
        target.write(pixels)
    return path


@pytest.mark.parametrize("profile", LOSSY)
def test_black_fill_blurred_by_compression_is_missing_and_said(
    data: Path, tmp_path: Path, profile: dict
) -> None:
    pixels = scene(data, 1)
    fill = turned_frame(pixels.shape[1:])
    pixels[:, fill] = 0
    path = write(tmp_path / "a", pixels, **profile)
    pair = read_pair(path, write(tmp_path / "b.tif", scene(data, 2)))
    valid = pair.load().valid
    # All but the tips of corners, narrower than a block.
    assert valid[fill].mean() < 0.01
    assert valid[distance_transform_edt(~fill) > MARGIN].all()
    (said,) = [text for text in pair.warnings if "lossy" in text]
    assert "--nodata none" in said
    assert read_pair(path, tmp_path / "b.tif", nodata="none").load().valid.all()


def test_blurred_fill_is_missing_on_another_grid_and_in_part_of_a_large_image(
    data: Path, tmp_path: Path
) -> None:
    pixels = np.tile(scene(data, 1), (1, 4, 4))
    fill = np.zeros(pixels.shape[1:], np.bool_)
    fill[:, :201] = True
    pixels[:, fill] = 0
    path = write(tmp_path / "a.tif", pixels, **LOSSY[0])
    turned = TRANSFORM @ Affine.translation(40, 300) @ Affine.rotation(3) @ Affine.scale(0.5)
    other = write(tmp_path / "b.tif", scene(data, 2), transform=turned)
    pair = read_pair(other, path)
    rows, cols = np.indices(pair.grid.shape)
    places = (~TRANSFORM @ pair.grid.transform) @ (cols + 0.5, rows + 0.5)
    valid = pair.load().valid
    assert not valid[places[0] < 201].any()
    assert valid[places[0] > 201 + MARGIN].all()


def test_black_fill_without_loss_is_left_to_the_zeros(data: Path, tmp_path: Path) -> None:
    pixels = scene(data, 1)
    fill = turned_frame(pixels.shape[1:])
    pixels[:, fill] = 0
    path = write(tmp_path / "a.tif", pixels)
    pair = read_pair(path, write(tmp_path / "b.tif", scene(data, 2)))
    np.testing.assert_array_equal(pair.load().valid, ~fill)
    assert not any("lossy" in text for text in pair.warnings)


def test_what_the_file_declares_missing_wins_over_blurred_fill(data: Path, tmp_path: Path) -> None:
    pixels = scene(data, 1)
    pixels[:, :, :80] = 0
    path = write(tmp_path / "a.tif", pixels, nodata=255, **LOSSY[0])
    raster = open_raster(path)
    assert blurred_fill(raster, raster.grid) is None


def test_dark_scenes_hold_no_blurred_fill(data: Path) -> None:
    for path in sorted((data / "ombria/t2").glob("*.png")):
        raster = open_raster(path)
        assert blurred_fill(raster, raster.grid) is None, path.name


def test_images_of_small_numbers_hold_no_fill(tmp_path: Path) -> None:
    classes = np.random.default_rng(0).integers(0, 9, (1, 60, 60)).astype(np.uint8)
    classes[:, :30] = 0
    raster = open_raster(write(tmp_path / "a.tif", classes))
    assert blurred_fill(raster, raster.grid) is None


def test_blurred_fill_is_looked_for_in_the_part_that_is_compared_only(
    data: Path, tmp_path: Path
) -> None:
    pixels = scene(data, 1)
    # Not along the edge of a block, which would not be blurred.
    pixels[:, :, :85] = 0
    raster = open_raster(write(tmp_path / "a.tif", pixels, **LOSSY[0]))
    found = blurred_fill(raster, raster.grid.crop(Window(row=0, col=40, height=200, width=200)))
    assert found is not None
    assert found.grid.width < raster.grid.width
    away = raster.grid.crop(Window(row=0, col=200, height=200, width=100))
    assert blurred_fill(raster, away) is None
