"""Color correction: eq. 1–2 against scikit-learn and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import PolynomialFeatures

from metriccd.pair.color import (
    UnitRange,
    between_extremes,
    fit_color_map,
    polynomial_correction,
    polynomial_terms,
)
from metriccd.pair.pair import read_pair

ALL = np.ones((64, 80), bool)


def noise(bands: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((bands, 64, 80)).astype(np.float32)


def test_three_bands_have_the_papers_eleven_terms() -> None:
    terms = polynomial_terms(np.array([[2.0], [3.0], [5.0]]))[:, 0]
    # 1, r, g, b, r², rg, rb, g², gb, b², rgb for (r, g, b) = (2, 3, 5)
    assert terms.tolist() == [1, 2, 3, 5, 4, 6, 10, 9, 15, 25, 30]


@pytest.mark.parametrize("bands", [1, 2, 4, 6, 13])
def test_other_numbers_of_bands_have_all_monomials_of_degree_two(bands: int) -> None:
    samples = np.random.default_rng(0).random((bands, 7))
    expected = PolynomialFeatures(2).fit_transform(samples.T).T
    np.testing.assert_allclose(polynomial_terms(samples), expected)


@pytest.mark.parametrize("bands", [1, 2, 4])
def test_the_map_is_least_squares_on_the_kernel(bands: int) -> None:
    t1, t2 = noise(bands).reshape(bands, -1), noise(bands, 1).reshape(bands, -1)
    fitted = fit_color_map(t1, t2)(t1[:, None])[:, 0]
    terms = PolynomialFeatures(2).fit_transform(t1.T.astype(float))
    expected = LinearRegression(fit_intercept=False).fit(terms, t2.T).predict(terms)
    np.testing.assert_allclose(fitted, expected.T, atol=2e-5)


@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
def test_a_polynomial_change_of_color_is_undone_in_any_unit(scale: float) -> None:
    t1 = noise()
    r, g, b = t1.astype(np.float64)
    t2 = np.stack([0.1 + 0.8 * r + 0.1 * r * g, 0.9 * g + 0.2 * b * b, b + 0.3 * r * g * b])
    corrected = polynomial_correction(
        t1 * np.float32(scale), (t2 * scale).astype(np.float32), ALL, factor=1
    )
    np.testing.assert_allclose(corrected, t2 * scale, atol=1e-4 * scale)


def test_weights_choose_the_pixels_that_are_fitted() -> None:
    t1 = noise().reshape(3, -1)
    t2 = 2 * t1 + 0.1
    t2[:, 1000:] = 0
    weights = (np.arange(t1.shape[1]) < 1000).astype(float)
    fitted = fit_color_map(t1, t2, weights)(t1[:, None])[:, 0]
    np.testing.assert_allclose(fitted, 2 * t1 + 0.1, atol=1e-4)


@pytest.mark.parametrize("case", ["duplicated", "constant", "two pixels"])
def test_rank_deficient_images_stay_finite(case: str) -> None:
    t1, t2, valid = noise(), noise(3, 1), ALL.copy()
    if case == "duplicated":
        t1[1] = t1[0]
    elif case == "constant":
        t1[2] = 7
    else:
        valid[:] = False
        valid[0, :2] = True
    corrected = polynomial_correction(t1, t2, valid)
    assert np.isfinite(corrected).all()


def test_duplicated_bands_do_not_change_the_fit() -> None:
    t1, t2 = noise(4), noise(4, 1)
    doubled, target = (np.concatenate([image, image[:1]]) for image in (t1, t2))
    once = polynomial_correction(t1, t2, ALL, factor=1)
    np.testing.assert_allclose(
        polynomial_correction(doubled, target, ALL, factor=1)[:4], once, atol=1e-4
    )


def test_invalid_pixels_have_no_influence() -> None:
    t1, t2 = noise(), noise(3, 1)
    valid = ALL.copy()
    valid[:16] = False
    expected = polynomial_correction(t1, t2, valid)
    t1[:, :16], t2[:, :16] = 1e6, -1e6
    np.testing.assert_allclose(polynomial_correction(t1, t2, valid)[:, 16:], expected[:, 16:])


def test_correction_brings_a_real_pair_closer(data) -> None:
    folder = data / "oscd/beirut/pair"
    t1, t2, valid = read_pair(folder / "img1.png", folder / "img2.png").load()
    corrected = polynomial_correction(t1, t2, valid)
    before, after = np.abs(t1 - t2).mean(), np.abs(corrected - t2).mean()
    assert after < 0.8 * before


def test_the_unit_range_holds_all_but_the_tails() -> None:
    t1, t2 = 5000 * noise(4) + 300, 2000 * noise(4, seed=1)
    one, other = UnitRange.fit([(t1, t2, ALL)])(t1, t2, ALL)
    both = np.concatenate([one, other], axis=1)
    assert (both.min(), both.max()) == (0, 1)
    assert 0.001 < np.isin(both, (0, 1)).mean() < 0.004
    corrected = polynomial_correction(t1, t2, ALL)
    inside = (one > 0) & (one < 1)
    for band in range(4):
        slope, residual = np.polyfit(
            corrected[band][inside[band]], one[band][inside[band]], 1, full=True
        )[:2]
        assert slope[0] > 0
        assert residual[0] < 1e-4


def test_parts_are_corrected_as_the_whole_that_they_make_up() -> None:
    t1, t2 = noise(3), noise(3, seed=1) ** 2
    whole = UnitRange.fit([(t1, t2, ALL)])
    halves = [(t1[..., part], t2[..., part], ALL[:, part]) for part in (slice(40), slice(40, 80))]
    found = UnitRange.fit(halves)
    np.testing.assert_allclose(found(t1, t2, ALL), whole(t1, t2, ALL), atol=1e-5)


def test_a_constant_band_has_a_finite_range() -> None:
    flat = np.full((2, 64, 80), 7, np.float32)
    one, other = UnitRange.fit([(flat, flat, ALL)])(flat, flat, ALL)
    assert np.isfinite(one).all()
    assert np.isfinite(other).all()


def test_extremes_of_the_valid_pixels_become_0_and_1() -> None:
    image, valid = 70 * noise() - 9, ALL.copy()
    image[:, 0, 0], valid[0, 0] = 1e6, False
    scaled = between_extremes(image, valid)[:, valid]
    assert (scaled.min(), scaled.max()) == (0, 1)
    assert np.isfinite(between_extremes(np.full_like(image, 3), valid)).all()
