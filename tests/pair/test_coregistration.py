"""Co-registration: shifts put on real pairs are found, and no pair is made worse."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from scipy.ndimage import gaussian_filter, map_coordinates, shift

from metriccd.pair.coregistration import coregistered, read_windows, shift_of
from metriccd.pair.pair import read_pair
from metriccd.pair.shift import peak
from raster_files import write

# Pairs of each kind, by season, sensor and pixel size.
PAIRS = {
    "sentinel-2": ("oscd/hongkong/imgs_1", "oscd/hongkong/imgs_2"),
    "aerial": ("sztaki/Szada/1/im1.bmp", "sztaki/Szada/1/im2.bmp"),
    "very high resolution": ("levir/t1/val_10.png", "levir/t2/val_10.png"),
    "landsat": ("landsat/LS20010525.tif", "landsat/LS20010626.tif"),
}
SHIFTS = [(0.3, -0.3), (-0.7, 0.3), (1.5, 0.7), (4.0, -1.5), (0.0, 4.0)]


def textured(seed: int, height: int = 300, width: int = 340) -> np.ndarray:
    """Smooth random ground in three bands, and a bit of noise of its own."""
    ground = np.random.default_rng(7).normal(size=(3, height, width))
    own = np.random.default_rng(seed).normal(size=(3, height, width))
    smooth = gaussian_filter(ground, (0, 1.5, 1.5))
    return (1000 + 500 * smooth + 10 * own).astype(np.float32)


def moved(image: np.ndarray, by: tuple[float, float]) -> np.ndarray:
    """SciPy's spline of degree five."""
    bands = [shift(band.astype(np.float64), by, order=5, mode="reflect") for band in image]
    return np.stack(bands).astype(np.float32)


@pytest.mark.parametrize("kind", PAIRS)
def test_known_shifts_on_real_pairs_are_found_to_a_tenth_of_a_pixel(data: Path, kind: str) -> None:
    one, other = (data / path for path in PAIRS[kind])
    block = read_pair(one, other).load()
    start = shift_of(read_windows(read_pair(block.t1, block.t2), looks=4))
    for by in SHIFTS:
        found = shift_of(read_windows(read_pair(block.t1, moved(block.t2, by)), looks=4))
        assert np.hypot(found.row - start.row - by[0], found.col - start.col - by[1]) < 0.1
        assert found.sharpness > 20
        assert found.error < 0.4


@pytest.mark.parametrize("by", SHIFTS)
def test_a_shift_is_taken_out(by: tuple[float, float]) -> None:
    one, other = textured(0), textured(1)
    pair = coregistered(read_pair(one, moved(other, by)), "global")
    found = pair.registration
    assert found.mode == "global"
    assert np.hypot(found.row - by[0], found.col - by[1]) < 0.03
    block = pair.load()
    inner = np.s_[:, 8:-8, 8:-8]
    assert (
        np.abs(block.t2 - other)[inner].mean()
        < 0.3 * np.abs(moved(other, by) - other)[inner].mean()
    )
    # What is not there any more is not valid.
    assert not block.valid.all() or max(np.abs(by)) < 1
    assert block.valid[8:-8, 8:-8].all()


def test_files_with_a_grid_are_moved_like_arrays(tmp_path: Path) -> None:
    by = (1.5, -0.7)
    one, other = textured(0), moved(textured(1), by)
    files = [write(tmp_path / f"{k}.tif", image) for k, image in enumerate((one, other))]
    of_files = coregistered(read_pair(*files), "global")
    of_arrays = coregistered(read_pair(one, other), "global")
    assert of_files.registration.row == pytest.approx(of_arrays.registration.row, abs=1e-3)
    one, other = of_files.load(), of_arrays.load()
    np.testing.assert_array_equal(one.valid, other.valid)
    np.testing.assert_allclose(one.t2, other.t2, atol=0.5)


def warped(image: np.ndarray, largest: float) -> np.ndarray:
    """Moved by a field that grows from corner to corner."""
    rows, cols = np.mgrid[: image.shape[1], : image.shape[2]].astype(float)
    down = largest * np.sin(2 * rows / image.shape[1])
    right = largest * np.cos(2 * cols / image.shape[2])
    places = (rows - down, cols - right)
    return np.stack([map_coordinates(band, places, order=5, mode="reflect") for band in image])


def test_a_field_of_shifts_is_taken_out_where_one_shift_is_not_enough() -> None:
    one, other = textured(0, 512, 512), textured(1, 512, 512)
    pair = read_pair(one, warped(other, 2.0).astype(np.float32))
    once, local = coregistered(pair, "global"), coregistered(pair, "local")
    assert local.registration.mode == "local"
    inner = np.s_[:, 20:-20, 20:-20]
    left = [np.abs(each.load().t2 - other)[inner].mean() for each in (pair, once, local)]
    assert left[2] < 0.5 * min(left[:2])


def test_windows_of_a_moved_pair_are_those_of_the_whole() -> None:
    one, other = textured(0, 512, 512), textured(1, 512, 512)
    pair = coregistered(read_pair(one, warped(other, 2.0).astype(np.float32)), "local")
    whole = pair.load()
    for window, block in zip(pair.grid.windows(200), pair.blocks(size=200), strict=True):
        np.testing.assert_array_equal(block.valid, whole.valid[window.slices])
        np.testing.assert_allclose(block.t2, whole.t2[:, *window.slices], atol=0.5)


@pytest.mark.parametrize("mode", ["global", "local"])
def test_a_pair_that_shares_nothing_is_left_and_said_to_be(mode: str) -> None:
    noise = [np.random.default_rng(k).normal(100, 10, (3, 200, 200)) for k in (0, 1)]
    pair = coregistered(read_pair(*noise), mode)
    assert pair.registration.mode == "none"
    assert "no shift was found" in pair.notes[0]
    np.testing.assert_array_equal(pair.load().t2, noise[1].astype(np.float32))


@pytest.mark.filterwarnings("error")
def test_ground_without_contrast_has_no_shift_and_nothing_warns() -> None:
    assert peak(np.zeros((64, 64), np.complex64)) == (0, 0, 0)


def test_a_pair_in_place_is_left() -> None:
    pair = coregistered(read_pair(textured(0), textured(1)), "global")
    assert pair.registration.mode == "none"
    np.testing.assert_array_equal(pair.load().t2, textured(1))


# The largest pair takes longer than the three others together.
@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, marks=[pytest.mark.slow] if kind == "very high resolution" else [])
        for kind in PAIRS
    ],
)
def test_edges_of_real_pairs_are_never_less_alike(data: Path, kind: str) -> None:
    one, other = (data / path for path in PAIRS[kind])
    for mode in ("global", "local"):
        found = coregistered(read_pair(one, other), mode).registration
        assert found.after >= found.before
        assert (found.mode == "none") == (found.after == found.before)


def test_cloud_and_nodata_do_not_move_the_shift() -> None:
    by = (0.7, -1.5)
    one, other = textured(0), moved(textured(1), by)
    cloud = np.zeros(one.shape[1:], np.uint8)
    cloud[40:160, 60:200] = 1
    other[:, cloud > 0] = 9000
    other[:, :, -40:] = 0
    found = coregistered(read_pair(one, other, masks=cloud), "global").registration
    assert np.hypot(found.row - by[0], found.col - by[1]) < 0.1


def test_the_masks_of_a_date_move_with_it(tmp_path: Path) -> None:
    one, other = textured(0), moved(textured(1), (4, 0))
    images = []
    for date, image in enumerate((one, other)):
        scl = np.full((1, *image.shape[1:]), 4, np.float32)
        if date == 1:
            scl[0, 100] = 9
        path = write(tmp_path / f"{date}.tif", np.concatenate([image, scl]))

        with rasterio.open(path, "r+") as target:
            target.descriptions = ("red", "green", "blue", "SCL")
        images.append(path)
    valid = coregistered(read_pair(*images, masks="SCL"), "global").load().valid
    np.testing.assert_array_equal(np.flatnonzero(~valid[:250, 50:250].any(axis=1)), [96])


def test_an_unknown_way_is_refused() -> None:
    with pytest.raises(ValueError, match="choose global or local"):
        coregistered(read_pair(textured(0), textured(1)), "rigid")


def test_no_way_leaves_the_pair() -> None:
    pair = read_pair(textured(0), textured(1))
    assert coregistered(pair, None) is pair
    assert replace(pair).notes == ()
