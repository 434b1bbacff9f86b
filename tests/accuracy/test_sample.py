"""Estimates from points against the worked example of Olofsson et al. (2014), section 5."""

from __future__ import annotations

import numpy as np
import pytest

from metriccd.accuracy.sample import estimate
from metriccd.errors import DataError

# Deforestation, forest gain, stable forest, stable non-forest: points (table 8) and map pixels.
COUNTS = np.array([[66, 0, 5, 4], [0, 55, 8, 12], [1, 0, 153, 11], [2, 1, 9, 313]])
MAPPED = np.array([200_000.0, 150_000.0, 3_200_000.0, 6_450_000.0])


def test_the_worked_example_of_olofsson_et_al_comes_out() -> None:
    found = estimate(COUNTS, MAPPED)
    # 66/75, 55/75, 153/165, 313/325; overall Σ Wᵢ Uᵢ, by hand: .0176 + .011 + .29673 + .62119.
    np.testing.assert_allclose(found.ua, [0.88, 0.7333, 0.9273, 0.9631], atol=5e-5)
    assert found.oa == pytest.approx(0.9465, abs=5e-5)
    # Deforestation: .02·.88 + .32·1/165 + .645·2/325 = .023509 of ten million pixels.
    assert found.share[0] == pytest.approx(0.023509, abs=5e-7)
    # Its variance: .0004·.1056/74 + .1024·.0060239/164 + .416025·.0061160/324.
    assert found.share_error[0] == pytest.approx(np.sqrt(1.21854e-5), rel=1e-4)
    assert found.pa[0] == pytest.approx(0.0176 / 0.023509, abs=1e-4)
    # 95 % half-widths; forest gain, producer's, by hand: P = .011/.012985 and
    # V = (.015²·(1 − P)²·.19556/74 + P²·.645²·.0030675/324)/.012985² = .016849.
    np.testing.assert_allclose(1.96 * found.ua_error, [0.07, 0.10, 0.04, 0.02], atol=0.005)
    np.testing.assert_allclose(found.pa, [0.75, 0.85, 0.93, 0.96], atol=0.005)
    np.testing.assert_allclose(1.96 * found.pa_error[:2], [0.2133, 0.2544], atol=5e-4)
    assert 1.96 * found.oa_error == pytest.approx(0.02, abs=0.005)
    # Pixels of 30 m: the paper has 21,158 ha ± 6,158 ha of deforestation.
    area, error, low, high = found.area(10_000_000 * 0.09, 0)
    assert area == pytest.approx(21_158, abs=1)
    assert 1.96 * error == pytest.approx(6_158, abs=1)
    assert (low, high) == pytest.approx((area - 1.96 * error, area + 1.96 * error))


def test_a_perfect_map_is_certain() -> None:
    found = estimate(np.array([[50, 0], [0, 50]]), np.array([10.0, 90.0]))
    np.testing.assert_allclose(found.share, [0.1, 0.9])
    np.testing.assert_allclose(found.share_error, 0)
    assert found.oa == 1


def test_a_class_without_points_is_refused() -> None:
    with pytest.raises(DataError, match="two points"):
        estimate(np.array([[1, 0], [5, 50]]), np.array([10.0, 90.0]))
