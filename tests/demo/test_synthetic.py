"""Synthetic scenes: same seed same bytes, plausible numbers, a reference that is exactly true."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from scipy import ndimage
from skimage.measure import label, regionprops
from skimage.registration import phase_cross_correlation
from sklearn.linear_model import LinearRegression
from sklearn.metrics import roc_auc_score

from metriccd.demo.synthetic import Scene, land_scene

RED, GREEN, BLUE, NIR = range(4)
SEEDS = (0, 1, 2)


@cache
def clear_scene(seed: int, side: int = 256) -> Scene:
    """Both dates on one grid under clear air: what differs is land, season and calibration."""
    return land_scene(side, side, seed=seed, shift=0.0, haze=0.0)


def ndvi(image: np.ndarray) -> np.ndarray:
    red, nir = image[[RED, NIR]].astype(float)
    return (nir - red) / (nir + red)


def near(mask: np.ndarray, pixels: int = 2) -> np.ndarray:
    return ndimage.binary_dilation(mask, iterations=pixels)


def within(mask: np.ndarray, pixels: int = 2) -> np.ndarray:
    return ndimage.binary_erosion(mask, iterations=pixels)


def test_same_seed_gives_the_same_bytes_and_another_seed_does_not():
    one, two, other = (land_scene(96, 128, seed=seed) for seed in (5, 5, 6))
    for name in ("t1", "t2", "reference"):
        assert getattr(one, name).tobytes() == getattr(two, name).tobytes()
        assert getattr(one, name).tobytes() != getattr(other, name).tobytes()


def test_land_and_reference_do_not_depend_on_how_t2_was_taken():
    usual, unusual = land_scene(128, 96), land_scene(128, 96, shift=-0.7, haze=0.6)
    np.testing.assert_array_equal(usual.t1, unusual.t1)
    np.testing.assert_array_equal(usual.reference, unusual.reference)
    assert (usual.t2 != unusual.t2).mean() > 0.9


@pytest.mark.parametrize(("height", "width"), [(64, 64), (64, 300), (301, 150)])
def test_images_are_reflectance_counts_from_1_to_10000_in_four_bands(height, width):
    scene = land_scene(height, width, haze=1.0)
    assert scene.bands == ("red", "green", "blue", "nir")
    assert scene.resolution == 10.0
    for image in (scene.t1, scene.t2):
        assert image.dtype == np.uint16
        assert image.shape == (4, height, width)
        assert image.min() >= 1
        assert image.max() <= 10_000
    assert scene.reference.shape == (height, width)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("height", "width"), [(64, 64), (150, 400), (256, 256), (512, 512)])
def test_about_three_percent_of_the_pixels_change(height, width, seed):
    assert 0.02 < land_scene(height, width, seed=seed).reference.mean() < 0.042


@pytest.mark.parametrize("seed", SEEDS)
def test_unchanged_water_differs_by_calibration_and_noise_alone(seed):
    scene = clear_scene(seed, side=512)
    water = within((scene.t1[NIR] < 400) & ~near(scene.reference))
    assert water.sum() > 1000
    for before, after in zip(scene.t1[:, water], scene.t2[:, water], strict=True):
        assert before.std() == pytest.approx(20, rel=0.15)  # one spectrum and noise of 0.002
        assert after.std() == pytest.approx(20, rel=0.15)
        assert abs(after.mean() - before.mean()) < 0.1 * before.mean() + 0.02 * 10_000


@pytest.mark.parametrize("seed", SEEDS)
def test_reference_has_one_piece_per_development_all_on_fields_or_woods(seed):
    scene = clear_scene(seed)
    pieces = [piece for piece in regionprops(label(scene.reference)) if piece.area > 20]
    assert len(pieces) == 5
    for piece in pieces:
        before = scene.t1[:, *piece.coords.T]
        assert np.median(before[NIR]) > 1500  # neither water nor pavement
        assert np.median(before[BLUE]) < 1000  # no roofs


@pytest.mark.parametrize("seed", SEEDS)
def test_new_water_roofs_and_clearings_are_in_the_reference_and_not_at_t1(seed):
    scene = clear_scene(seed)
    reservoir = within((scene.t1[NIR] > 1500) & (scene.t2[NIR] < 500), 1)
    hall = within((scene.t1[BLUE] < 1500) & (scene.t2[BLUE] > 2000), 1)
    woods = (scene.t1[RED] < 350) & (scene.t1[NIR] > 1000)
    clearing = within(woods & (scene.t2[RED] > 1000), 1)
    for new, pixels in ((reservoir, 150), (hall, 50), (clearing, 150)):
        assert new.sum() > pixels
        assert scene.reference[new].all()


@pytest.mark.parametrize("seed", SEEDS)
def test_crops_change_more_land_than_the_reference_holds_and_are_not_in_it(seed):
    scene = clear_scene(seed)
    turned = abs(ndvi(scene.t2) - ndvi(scene.t1)) > 0.25
    seasonal = turned & ~near(scene.reference)
    assert seasonal.mean() > 3 * scene.reference.mean()
    green = ndvi(scene.t2)[seasonal] > ndvi(scene.t1)[seasonal]
    assert 0.1 < green.mean() < 0.9  # some crops come up while others ripen


@pytest.mark.parametrize("shift", [0.4, -0.7])
def test_t2_lies_below_and_to_the_right_by_the_shift(shift):
    still, moved = (land_scene(128, 128, haze=0.0, shift=by).t2[NIR] for by in (0.0, shift))
    taper = np.outer(np.hanning(128), np.hanning(128))  # the edges are mirrored, not moved
    # Both have the same noise, unmoved: smoothed away, or it would be registered too.
    smooth = [ndimage.gaussian_filter(nir.astype(float), 1) for nir in (moved, still)]
    moved, still = (taper * (nir - nir.mean()) for nir in smooth)
    found, *_ = phase_cross_correlation(moved, still, upsample_factor=20, normalization=None)
    np.testing.assert_allclose(found, [shift, shift], atol=0.051)


def test_haze_brightens_blue_most_and_leaves_part_of_the_scene_clear():
    clear, hazy = (land_scene(128, 128, haze=haze).t2.astype(float) for haze in (0.0, 0.3))
    added = (hazy - clear).mean(axis=(1, 2))
    assert added[BLUE] > added[GREEN] > added[RED] > 0
    veil = np.percentile(ndimage.gaussian_filter((hazy - clear)[BLUE], 8), [5, 95])
    assert veil[0] < 100
    assert veil[1] > 400


def test_nodata_corner_is_a_triangle_of_zeros_without_reference_and_changes_nothing_else():
    whole, cut = (land_scene(96, 128, nodata_corner=corner) for corner in (False, True))
    missing = (cut.t2 == 0).all(axis=0)
    np.testing.assert_array_equal(missing, (cut.t2 == 0).any(axis=0))
    np.testing.assert_array_equal(missing, np.add.outer(np.arange(96), np.arange(128)) < 24)
    assert not cut.reference[missing].any()
    np.testing.assert_array_equal(cut.t1, whole.t1)
    np.testing.assert_array_equal(cut.t2[:, ~missing], whole.t2[:, ~missing])
    np.testing.assert_array_equal(cut.reference[~missing], whole.reference[~missing])


@pytest.mark.parametrize("seed", SEEDS)
def test_smoothed_difference_after_regression_ranks_changes_well_but_not_perfectly(seed):
    scene = land_scene(256, 256, seed=seed)
    squares = 0.0
    for before, after in zip(scene.t1, scene.t2, strict=True):
        x, y = before.reshape(-1, 1), after.ravel().astype(float)
        squares = squares + (y - LinearRegression().fit(x, y).predict(x)) ** 2
    difference = ndimage.gaussian_filter(np.sqrt(squares).reshape(scene.reference.shape), 2)
    assert 0.85 < roc_auc_score(scene.reference.ravel(), difference.ravel()) < 0.97


@pytest.mark.parametrize(("height", "width", "name"), [(63, 64, "height"), (64, 4097, "width")])
def test_sizes_outside_the_range_are_refused_with_the_rule_and_the_value(height, width, name):
    wrong = height if name == "height" else width
    with pytest.raises(ValueError, match=f"{name} must be 64 to 4096, got {wrong}"):
        land_scene(height, width)


@pytest.mark.parametrize(
    ("name", "value"), [("shift", 1.5), ("shift", float("nan")), ("haze", -0.1), ("haze", 1.1)]
)
def test_settings_outside_their_range_are_refused(name, value):
    with pytest.raises(ValueError, match=f"{name} must be .* to 1, got {value}"):
        land_scene(64, 64, **{name: value})
