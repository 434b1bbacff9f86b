"""What must hold for every difference method, whatever it computes."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest
from difference_scenes import METHODS, Windows, pair, streamed

from metriccd.difference import Block, on_arrays
from metriccd.errors import DataError

# image_regr predicts t2 from t1 and siroc transfers t1 to t2: both measure in t2's unit.
ASYMMETRIC = {"image_regr", "siroc"}
# Standardized by construction; the others measure in the unit of the images.
AFFINE_INVARIANT = {"mad", "irmad", "irmad_toolbox", "sfa", "isfa"}
INVERTING = AFFINE_INVARIANT | {"mahalanobis"}
NEIGHBORHOOD = {"pca_kmeans", "siroc"}
FITTED = set(METHODS) - {"image_diff", "cva"}

every_method = pytest.mark.parametrize("name", METHODS)


def some(names: set[str]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("name", sorted(names))


def block(t1: np.ndarray, t2: np.ndarray) -> list[Block]:
    return [(t1, t2, np.ones(t1.shape[1:], dtype=bool))]


def holes(shape: tuple[int, ...]) -> np.ndarray:
    valid = np.random.default_rng(5).random(shape) > 0.1
    valid[:9, :14] = False
    return valid


@every_method
def test_identical_pair_has_no_difference(name: str) -> None:
    t1, _ = pair()
    components = on_arrays(METHODS[name], t1, t1.copy())
    np.testing.assert_allclose(components, 0, atol=1e-6)


@every_method
def test_changed_rectangle_scores_above_the_rest(name: str) -> None:
    t1, t2 = pair(radiometry=False)
    image = METHODS[name](block(t1, t2))
    score = image.merge(image.apply(t1, t2))
    changed = np.zeros(score.shape, dtype=bool)
    changed[20:32, 10:30] = True
    assert score[changed].mean() > 1.5 * score[~changed].mean()


@some(set(METHODS) - ASYMMETRIC)
def test_swapping_the_dates_changes_nothing(name: str) -> None:
    t1, t2 = pair()
    forward, backward = (on_arrays(METHODS[name], *dates) for dates in ((t1, t2), (t2, t1)))
    np.testing.assert_allclose(backward, forward, rtol=1e-6, atol=1e-6)


@some(ASYMMETRIC)
def test_methods_listed_as_asymmetric_are(name: str) -> None:
    t1, t2 = pair()
    forward, backward = (on_arrays(METHODS[name], *dates) for dates in ((t1, t2), (t2, t1)))
    assert np.abs(forward - backward).mean() > 0.01 * forward.mean()


@some(AFFINE_INVARIANT)
def test_affine_radiometry_of_either_date_changes_nothing(name: str) -> None:
    t1, t2 = pair()
    before = on_arrays(METHODS[name], t1, t2)
    gain = np.array([2.0, 0.01, 300.0])[:, None, None]
    after = on_arrays(METHODS[name], t1 / gain + 7, t2 * gain - 30)
    np.testing.assert_allclose(after, before, rtol=1e-6, atol=1e-6)


@some({"mad", "irmad"})
def test_mixing_the_bands_of_one_date_changes_nothing(name: str) -> None:
    t1, t2 = pair()
    mixed = np.einsum("ij,jrc->irc", [[1.0, -2, 0.5], [0, 1, 1], [3, 0, -1]], t1)
    np.testing.assert_allclose(
        on_arrays(METHODS[name], mixed, t2), on_arrays(METHODS[name], t1, t2), rtol=1e-6, atol=1e-6
    )


@every_method
@pytest.mark.parametrize(("height", "width"), [(12, 53), (16, 20)])
def test_streamed_in_windows_equals_whole(name: str, height: int, width: int) -> None:
    t1, t2 = pair()
    valid = holes(t1.shape[1:])
    whole = on_arrays(METHODS[name], t1, t2, valid)
    windows = Windows(t1=t1, t2=t2, valid=valid, height=height, width=width)
    np.testing.assert_allclose(
        streamed(METHODS[name], windows), whole, rtol=1e-6, atol=1e-6 * np.nanmax(whole)
    )


@every_method
@pytest.mark.parametrize("garbage", [np.nan, np.inf, -1e30])
def test_invalid_pixels_never_influence_the_others(name: str, garbage: float) -> None:
    t1, t2 = pair()
    valid = holes(t1.shape[1:])
    expected = on_arrays(METHODS[name], t1, t2, valid)
    t1[:, ~valid], t2[1, ~valid] = garbage, garbage
    actual = on_arrays(METHODS[name], t1, t2, valid)
    np.testing.assert_array_equal(actual, expected)
    assert np.isnan(actual[:, ~valid]).all()
    assert np.isfinite(actual[:, valid]).all()


@some(set(METHODS) - NEIGHBORHOOD)
def test_a_masked_scene_equals_the_scene_of_its_valid_pixels(name: str) -> None:
    t1, t2 = pair()
    valid = holes(t1.shape[1:])
    masked = on_arrays(METHODS[name], t1, t2, valid)[:, valid]
    only = on_arrays(METHODS[name], t1[:, valid][:, None], t2[:, valid][:, None])[:, 0]
    np.testing.assert_allclose(masked, only, rtol=1e-7, atol=1e-7)


@every_method
def test_pixel_missing_in_one_band_is_missing_and_harmless(name: str) -> None:
    t1, t2 = pair()
    valid = np.ones(t1.shape[1:], dtype=bool)
    valid[30, 30] = False
    expected = on_arrays(METHODS[name], t1, t2, valid)
    t2[1, 30, 30] = np.nan
    np.testing.assert_array_equal(on_arrays(METHODS[name], t1, t2), expected)


@some(INVERTING)
def test_constant_band_is_left_out_with_a_warning(name: str) -> None:
    t1, t2 = pair()
    expected = METHODS[name](block(t1, t2))
    t1c, t2c = (np.concatenate((t, np.full((1, *t.shape[1:]), 0.1))) for t in (t1, t2))
    image = METHODS[name](block(t1c, t2c))
    np.testing.assert_allclose(
        image.merge(image.apply(t1c, t2c)), expected.merge(expected.apply(t1, t2)), rtol=1e-6
    )
    assert any("band 4 constant" in warning for warning in image.warnings)


@some(INVERTING)
def test_duplicated_band_counts_once_with_a_warning(name: str) -> None:
    t1, t2 = pair()
    expected = METHODS[name](block(t1, t2))
    t1d, t2d = (np.concatenate((t, 3 * t[:1] + 5)) for t in (t1, t2))
    image = METHODS[name](block(t1d, t2d))
    np.testing.assert_allclose(
        image.merge(image.apply(t1d, t2d)), expected.merge(expected.apply(t1, t2)), rtol=1e-5
    )
    assert image.components == expected.components
    assert any("rank 3" in warning for warning in image.warnings)


@every_method
def test_degenerate_bands_give_finite_values(name: str) -> None:
    t1, t2 = pair(bands=4)
    t1[1], t2[1] = t1[0], t2[0]
    t1[2] = 0.0
    t2[3] = 500.0
    assert np.isfinite(on_arrays(METHODS[name], t1, t2)).all()


@every_method
def test_two_constant_images_give_finite_values(name: str) -> None:
    t1, t2 = np.full((2, 8, 8), 3.0), np.full((2, 8, 8), 4.0)
    assert np.isfinite(on_arrays(METHODS[name], t1, t2)).all()


@every_method
def test_float32_in_float32_out_close_to_float64(name: str) -> None:
    t1, t2 = (t.astype(np.float32) for t in pair())
    single = on_arrays(METHODS[name], t1, t2)
    double = on_arrays(METHODS[name], t1.astype(np.float64), t2.astype(np.float64))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, double, rtol=1e-6, atol=1e-6 * double.max())


@every_method
def test_one_band_is_enough(name: str) -> None:
    t1, t2 = pair(bands=1)
    assert np.isfinite(on_arrays(METHODS[name], t1, t2)).all()


@some(FITTED)
def test_no_valid_pixel_is_a_fault_in_the_data(name: str) -> None:
    t1, t2 = pair()
    with pytest.raises(DataError, match="valid pixel"):
        on_arrays(METHODS[name], t1, t2, np.zeros(t1.shape[1:], dtype=bool))


@some(FITTED - {"pca_kmeans"})
def test_an_iterator_is_refused_instead_of_found_empty_at_the_second_pass(name: str) -> None:
    with pytest.raises(ValueError, match="more than once"):
        METHODS[name](iter(block(*pair())))


@some({"irmad", "pcda", "dpca", "image_ratio", "pca_kmeans"})
def test_fitting_needs_memory_for_a_window_not_the_scene(name: str) -> None:
    class Endless:
        """24 windows of 0.8 MB, of which one exists at a time."""

        def __iter__(self) -> Iterator[Block]:
            for seed in range(24):
                t1, t2 = pair(seed, rows=64, cols=256)
                yield t1, t2, np.ones(t1.shape[1:], dtype=bool)

    tracemalloc.start()
    try:
        METHODS[name](Endless())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 9e6, "the scene is 19 MB"
