"""Cleaning: small objects and holes, by scikit-image; the least size, by counting shapes."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from rasterio.crs import CRS
from scipy import ndimage
from skimage.measure import label

from metriccd.decision.cleaning import SHAPES, Cleaning, beyond_chance
from metriccd.errors import GridError
from metriccd.raster import Grid, Window

UTM = Grid(
    height=60, width=80, transform=Affine(10, 0, 6e5, 0, -10, 48e5), crs=CRS.from_epsg(32632)
)
NOWHERE = Grid(height=60, width=80, transform=Affine.identity(), crs=None)
RNG = np.random.default_rng(0)
CHANGE = RNG.random((60, 80)) < 0.55
SCORE = RNG.random((60, 80)).astype(np.float32)
WINDOWS = [
    Window(row=0, col=0, height=60, width=80),
    Window(row=5, col=11, height=20, width=30),
    Window(row=8, col=8, height=8, width=8),
]


def read(window: Window) -> tuple[np.ndarray, np.ndarray]:
    return CHANGE[window.slices], SCORE[window.slices]


@pytest.mark.parametrize("connectivity", [4, 8])
@pytest.mark.parametrize("size", [8, 2048])
@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("asked", [{"min_pixels": 5}, {"min_area": 500.0, "min_pixels": 1}])
def test_small_objects_are_removed_from_any_window(size, window, asked, connectivity) -> None:
    cleaned, _ = Cleaning(**asked, connectivity=connectivity).clean(read, UTM, size=size)
    change, score = cleaned(window)
    labels = label(CHANGE, connectivity=1 if connectivity == 4 else 2)
    expected = CHANGE & (np.bincount(labels.ravel())[labels] >= 5)
    np.testing.assert_array_equal(change, expected[window.slices])
    np.testing.assert_array_equal(score, SCORE[window.slices])


@pytest.mark.parametrize("connectivity", [4, 8])
@pytest.mark.parametrize("size", [8, 2048])
@pytest.mark.parametrize("window", WINDOWS)
def test_small_holes_are_filled_in_any_window(size, window, connectivity) -> None:
    cleaning = Cleaning(min_pixels=1, fill_holes=6, connectivity=connectivity)
    change, score = cleaning.clean(read, UTM, size=size)[0](window)
    # What reaches the edge of the image is no hole: framed by what is not change, it is too large.
    framed = np.pad(CHANGE, 4)
    labels = label(~framed, connectivity=2 if connectivity == 4 else 1)
    filled = (framed | (np.bincount(labels.ravel())[labels] <= 6))[4:-4, 4:-4]
    np.testing.assert_array_equal(change, filled[window.slices])
    np.testing.assert_array_equal(score, SCORE[window.slices])


def test_a_hole_without_data_stays() -> None:
    change, score = np.ones((9, 9), bool), np.full((9, 9), 0.9, np.float32)
    change[2, 2] = change[6, 6] = False
    score[6, 6] = np.nan
    grid = Grid(height=9, width=9, transform=Affine.identity(), crs=None)
    cleaning = Cleaning(min_pixels=1, fill_holes=4)
    cleaned, _ = cleaning.clean(lambda w: (change[w.slices], score[w.slices]), grid)
    found, _ = cleaned(Window.whole((9, 9)))
    assert found[2, 2]
    assert not found[6, 6]


def shapes_of(pixels: int, steps: list[tuple[int, int]]) -> int:
    """Connected sets of that many pixels up to translation, by growing them."""
    grown = {frozenset([(0, 0)])}
    for _ in range(pixels - 1):
        larger = set()
        for shape in grown:
            beside = {(r + y, c + x) for r, c in shape for y, x in steps} - shape
            for pixel in beside:
                whole = shape | {pixel}
                top, left = min(r for r, _ in whole), min(c for _, c in whole)
                larger.add(frozenset((r - top, c - left) for r, c in whole))
        grown = larger
    return len(grown)


@pytest.mark.parametrize("connectivity", [4, 8])
def test_shapes_are_counted_right(connectivity: int) -> None:
    steps = [(-1, 0), (1, 0), (0, -1), (0, 1)]
    steps += [(-1, -1), (-1, 1), (1, -1), (1, 1)] if connectivity == 8 else []
    counted = [shapes_of(pixels, steps) for pixels in range(1, 7)]
    assert list(SHAPES[connectivity][:6]) == counted
    ratios = np.diff(np.log(SHAPES[connectivity]))
    assert (np.diff(ratios[1:]) > 0).all()  # they grow by a factor that rises to its limit


@pytest.mark.parametrize("share", [0.005, 0.02, 0.05, 0.1])
def test_pixels_scattered_at_random_leave_next_to_no_object(share: float) -> None:
    left = []
    for seed in range(20):
        change = np.random.default_rng(seed).random((400, 400)) < share
        least = beyond_chance(change.size, int(change.sum()))
        labels, _ = ndimage.label(change)
        left.append((np.bincount(labels.ravel())[1:] >= least).sum())
    # Fewer than one is expected of each scene, and the size is not larger than it need be by much.
    assert np.mean(left) < 1
    assert least <= 16


def test_the_least_size_grows_with_the_share_and_the_scene_and_is_bounded() -> None:
    assert beyond_chance(10**6, 0) == 1
    sizes = [beyond_chance(10**6, changed) for changed in (1, 10**3, 10**4, 10**5, 10**6)]
    assert sizes == sorted(sizes)
    assert sizes[0] <= 2
    assert sizes[-1] == 16
    assert beyond_chance(10**8, 10**6) > beyond_chance(10**5, 10**3)


def test_by_default_objects_are_beyond_chance() -> None:
    change = np.zeros((60, 80), bool)
    change[3, 3:5] = change[20:28, 20:28] = True
    cleaned, least = Cleaning().clean(lambda w: (change[w.slices], SCORE[w.slices]), UTM)
    assert least == beyond_chance(4800, 66) == 3
    found, _ = cleaned(Window.whole((60, 80)))
    assert found.sum() == 64


def test_a_smallest_area_needs_areas() -> None:
    with pytest.raises(GridError, match="--min-area needs a CRS"):
        Cleaning(min_area=100).clean(read, NOWHERE)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"min_pixels": -1}, "min_pixels is a number of 0 or more: got -1"),
        ({"fill_holes": -3}, "fill_holes is a number of 0 or more: got -3"),
        ({"min_area": float("inf")}, "min_area is a number of 0 or more: got inf"),
        ({"min_area": float("nan")}, "min_area is a number of 0 or more: got nan"),
    ],
)
def test_wrong_sizes_are_refused(wrong, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Cleaning(**wrong)
