from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from difference_scenes import flat, pair
from scipy.integrate import quad
from scipy.linalg import eigh
from scipy.optimize import brentq
from scipy.stats import chi, chi2, kstest
from sklearn.cross_decomposition import CCA
from sklearn.metrics import roc_auc_score

from metriccd.difference import irmad, mad, on_arrays


def canonical_pairs(
    t1: np.ndarray, t2: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Differences of canonical variates and correlations, by the generalized eigenproblem."""
    covariance = np.cov(np.hstack((t1, t2)).T, aweights=weights, ddof=0) * len(t1) / (len(t1) - 1)
    bands = t1.shape[1]
    s11, s12 = covariance[:bands, :bands], covariance[:bands, bands:]
    s22 = covariance[bands:, bands:]
    squared, a = eigh(s12 @ np.linalg.solve(s22, s12.T), s11)
    b = np.linalg.solve(s22, s12.T @ a)
    b /= np.sqrt(np.einsum("bk,bc,ck->k", b, s22, b))
    mean1, mean2 = (np.average(t, axis=0, weights=weights) for t in (t1, t2))
    return (t1 - mean1) @ a - (t2 - mean2) @ b, np.sqrt(squared)


def reference_irmad(
    t1: np.ndarray, t2: np.ndarray, iterations: int, *, toolbox: bool
) -> np.ndarray:
    weights = np.ones(len(t1))
    for _ in range(iterations):
        variates, rho = canonical_pairs(t1, t2, weights)
        if toolbox:
            variates = (variates - variates.mean(axis=0)) / variates.std(axis=0, ddof=1)
        else:
            variates /= np.sqrt(2 * (1 - rho))
        weights = chi2.sf((variates**2).sum(axis=1), t1.shape[1])
    return np.abs(variates)


def unchanged_pair() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    t1 = rng.normal(0, 50, (6, 150, 150))
    return t1, t1 + rng.normal(0, 10, t1.shape)


def test_mad_equals_the_generalized_eigenproblem() -> None:
    t1, t2 = pair()
    expected = reference_irmad(flat(t1), flat(t2), 1, toolbox=False)
    np.testing.assert_allclose(flat(on_arrays(mad, t1, t2)), expected, rtol=1e-6, atol=1e-6)


def test_mad_equals_scikit_learn_cca() -> None:
    t1, t2 = pair()
    scores = CCA(3, max_iter=5000, tol=1e-12).fit_transform(flat(t1), flat(t2))
    u, v = (s / s.std(axis=0, ddof=1) for s in scores)
    rho = (u * v).sum(axis=0) / (len(u) - 1)
    expected = np.abs(u - v) / np.sqrt(2 * (1 - rho))
    np.testing.assert_allclose(flat(on_arrays(mad, t1, t2))[:, ::-1], expected, atol=1e-4)


def test_mad_components_have_unit_variance_and_mean_chi_square_of_its_degrees() -> None:
    t1, t2 = pair(bands=4)
    image = mad([(t1, t2, np.ones(t1.shape[1:], dtype=bool))])
    components = image.apply(t1, t2)
    np.testing.assert_allclose((components**2).mean(axis=(1, 2)), 1, rtol=1e-3)
    np.testing.assert_allclose(image.merge(components), (components**2).sum(axis=0))
    assert image.chi2_dof == image.components == 4


@pytest.mark.parametrize("variance", ["canonical", "toolbox"])
def test_irmad_equals_the_generalized_eigenproblem_iterated_in_memory(variance: str) -> None:
    t1, t2 = pair()
    expected = reference_irmad(flat(t1), flat(t2), 5, toolbox=variance == "toolbox")
    actual = on_arrays(irmad, t1, t2, variance=variance, max_iterations=5, tolerance=0.0)
    np.testing.assert_allclose(flat(actual), expected, rtol=1e-4, atol=1e-5)


def test_mad_statistic_of_unchanged_gaussian_pixels_is_chi_square() -> None:
    t1, t2 = unchanged_pair()
    image = mad([(t1, t2, np.ones(t1.shape[1:], dtype=bool))])
    assert kstest(image.merge(image.apply(t1, t2)).ravel(), chi2(6).cdf).statistic < 0.01


def test_irmad_statistic_of_unchanged_gaussian_pixels_is_inflated_as_theory_says() -> None:
    # The weights trim the tails that the variance is estimated from. The variance s² at which
    # trimming settles solves s² = E[r²·w] / (k·E[w]), w = P(χ > r/s), for unit Gaussian variates.
    def trimmed(s2: float) -> float:
        moments = [
            quad(lambda r, n=n: r**n * chi.sf(r / np.sqrt(s2), 6) * chi.pdf(r, 6), 0, 20)[0]
            for n in (2, 0)
        ]
        return moments[0] / (6 * moments[1]) - s2

    t1, t2 = unchanged_pair()
    block = [(t1, t2, np.ones(t1.shape[1:], dtype=bool))]
    image = irmad(block, max_iterations=40, tolerance=1e-7)
    statistic = image.merge(image.apply(t1, t2))
    assert statistic.mean() == pytest.approx(6 / brentq(trimmed, 0.2, 1), rel=0.02)


def test_unknown_variance_is_refused() -> None:
    t1, t2 = pair()
    with pytest.raises(Exception, match=r"variance|Literal"):
        on_arrays(irmad, t1, t2, variance="unweighted")


def read(path: Path) -> np.ndarray:
    with rasterio.open(path) as source:
        return source.read()


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_irmad_ranks_the_changes_of_three_oscd_cities_as_measured(data: Path) -> None:
    # Mean over all 14 training cities: .870; .869 was measured independently beforehand.
    expected = {"bercy": 0.808, "paris": 0.954, "rennes": 0.950}
    for city, auc in expected.items():
        folder = data / "oscd" / city
        t1, t2 = (read(folder / "pair" / f"img{date}.png")[:3] for date in (1, 2))
        changed = read(folder / "cm" / f"{city}-cm.tif")[0] == 2
        statistic = (on_arrays(irmad, t1, t2) ** 2).sum(axis=0)
        assert roc_auc_score(changed.ravel(), statistic.ravel()) == pytest.approx(auc, abs=0.003)
