from __future__ import annotations

import numpy as np
import pytest
from difference_scenes import flat, pair
from scipy.spatial.distance import cdist
from sklearn.linear_model import LinearRegression

from metriccd.difference import cva, image_diff, image_ratio, image_regr, mahalanobis, on_arrays
from metriccd.errors import DataError

T1 = np.array([[[1.0, 2, 4]], [[10, 20, 30]]])
T2 = np.array([[[4.0, 2, 1]], [[14, 17, 30]]])


def test_image_diff_equals_hand_computed_values() -> None:
    np.testing.assert_array_equal(on_arrays(image_diff, T1, T2), [[[3, 0, 3]], [[4, 3, 0]]])


def test_cva_equals_hand_computed_values() -> None:
    np.testing.assert_array_equal(on_arrays(cva, T1, T2), [[[5, 3, 3]]])


def test_image_diff_of_no_window_is_a_fault_in_the_data() -> None:
    with pytest.raises(DataError, match="at least one window"):
        image_diff([])


def test_image_ratio_is_the_absolute_log_ratio_of_positive_values() -> None:
    np.testing.assert_allclose(on_arrays(image_ratio, T1, T2), np.abs(np.log(T1 / T2)))


def test_image_ratio_raises_zeros_and_negatives_to_a_share_of_the_mean() -> None:
    t1 = np.array([[[0.0, -5, 100, 105]]])
    t2 = np.full((1, 1, 4), 50.0)
    # mean of both dates 50, one percent of it 0.5
    expected = np.log([100, 100, 2, 2.1])
    np.testing.assert_allclose(on_arrays(image_ratio, t1, t2)[0, 0], expected)
    np.testing.assert_allclose(on_arrays(image_ratio, t1, t2, floor=0.1)[0, 0, :2], np.log(10))


def test_image_ratio_of_a_band_without_positive_mean_is_zero_with_a_warning() -> None:
    t1, t2 = pair(bands=2)
    t1[1] -= 5000
    image = image_ratio([(t1, t2, np.ones(t1.shape[1:], dtype=bool))])
    assert (image.apply(t1, t2)[1] == 0).all()
    assert image.warnings == ("image_ratio: band 2 has no positive mean: no ratio, set to 0",)


def test_image_regr_equals_scikit_learn_on_every_band() -> None:
    t1, t2 = pair()
    for band, residual in enumerate(on_arrays(image_regr, t1, t2)):
        x, y = t1[band].reshape(-1, 1), t2[band].ravel()
        expected = np.abs(LinearRegression().fit(x, y).predict(x) - y)
        np.testing.assert_allclose(residual.ravel(), expected, atol=1e-9)


def test_image_regr_predicts_the_mean_from_a_constant_band_with_a_warning() -> None:
    t1, t2 = pair(bands=2)
    t1[0] = 3
    image = image_regr([(t1, t2, np.ones(t1.shape[1:], dtype=bool))])
    np.testing.assert_allclose(image.apply(t1, t2)[0], np.abs(t2[0] - t2[0].mean()))
    assert image.warnings == ("image_regr: t1: band 1 constant over all valid pixels: left out",)


def test_mahalanobis_equals_scipy_with_the_covariance_of_the_difference() -> None:
    t1, t2 = (flat(t) for t in pair())
    inverse = np.linalg.inv(np.cov((t1 - t2).T))
    expected = cdist(t1 - t2, np.zeros((1, 3)), "mahalanobis", VI=inverse)[:, 0]
    np.testing.assert_allclose(on_arrays(mahalanobis, *pair()).ravel(), expected)
