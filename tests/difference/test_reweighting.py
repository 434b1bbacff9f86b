from __future__ import annotations

import numpy as np
import pytest
from difference_scenes import pair
from scipy.stats import chi2

from metriccd.difference import irmad, isfa, mad
from metriccd.difference.reweighting import chi_tail


@pytest.mark.parametrize("degrees", [1, 2, 3, 4, 13, 60])
def test_chi_tail_equals_scipy(degrees: int) -> None:
    statistic = np.append(np.linspace(0, 4 * degrees + 60, 50_001), 1e30)
    variates = np.zeros((degrees, statistic.size))
    variates[-1] = np.sqrt(statistic)
    np.testing.assert_allclose(
        chi_tail(degrees)(variates), chi2.sf(statistic, degrees), rtol=0, atol=2e-7
    )


@pytest.mark.parametrize("method", [irmad, isfa])
def test_stopping_before_convergence_is_told(method: object) -> None:
    t1, t2 = pair()
    block = [(t1, t2, np.ones(t1.shape[1:], dtype=bool))]
    image = method(block, max_iterations=3, tolerance=0.0)  # type: ignore[operator]
    assert image.warnings == (f"{method.__name__}: not converged after 3 iterations",)  # type: ignore[attr-defined]


@pytest.mark.parametrize("method", [irmad, isfa])
def test_no_iteration_is_refused(method: object) -> None:
    t1, t2 = pair()
    with pytest.raises(ValueError, match="max_iterations must be at least 1"):
        method([(t1, t2, np.ones(t1.shape[1:], dtype=bool))], max_iterations=0)  # type: ignore[operator]


def test_each_iteration_is_one_pass_over_the_windows() -> None:
    passes = 0
    t1, t2 = pair()

    class Counted:
        def __iter__(self):  # type: ignore[no-untyped-def]
            nonlocal passes
            passes += 1
            return iter([(t1, t2, np.ones(t1.shape[1:], dtype=bool))])

    irmad(Counted(), max_iterations=5, tolerance=0.0)
    assert passes == 5


def test_dates_equal_up_to_radiometry_have_no_difference_and_a_warning() -> None:
    t1, _ = pair()
    block = [(t1, 2 * t1 + 5, np.ones(t1.shape[1:], dtype=bool))]
    image = mad(block)
    np.testing.assert_allclose(image.apply(*block[0][:2]), 0, atol=1e-6)
    assert image.warnings == (
        "3 of 3 variates are equal at both dates up to rounding: variance raised to its floor",
    )


def test_almost_no_unchanged_pixel_stops_with_a_warning() -> None:
    t1, t2 = pair(rows=2, cols=5)
    image = irmad([(t1, t2, np.ones((2, 5), dtype=bool))])
    assert np.isfinite(image.apply(t1, t2)).all()
    assert any("almost no pixel" in warning for warning in image.warnings)
