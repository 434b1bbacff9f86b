from __future__ import annotations

import numpy as np
from difference_scenes import flat, pair
from scipy.linalg import eigh
from scipy.stats import chi2

from metriccd.difference import isfa, on_arrays, sfa


def reference_isfa(t1: np.ndarray, t2: np.ndarray, iterations: int) -> np.ndarray:
    """Slow features by SciPy's generalized eigenproblem, iterated in memory."""
    weights = np.ones(len(t1))
    for _ in range(iterations):
        total = weights.sum() * (len(t1) - 1) / len(t1)
        s1, s2 = (t - np.average(t, axis=0, weights=weights) for t in (t1, t2))
        s1, s2 = (s / np.sqrt((weights[:, None] * s**2).sum(axis=0) / total) for s in (s1, s2))
        between, within1, within2 = (
            (s * weights[:, None]).T @ s / total for s in (s1 - s2, s1, s2)
        )
        slowness, vectors = eigh(between, (within1 + within2) / 2)
        variates = (s1 - s2) @ vectors / np.sqrt(slowness)
        weights = chi2.sf((variates**2).sum(axis=1), t1.shape[1])
    return np.abs(variates)


def test_sfa_equals_the_generalized_eigenproblem() -> None:
    t1, t2 = pair()
    expected = reference_isfa(flat(t1), flat(t2), 1)
    np.testing.assert_allclose(flat(on_arrays(sfa, t1, t2)), expected, rtol=1e-6, atol=1e-9)


def test_isfa_equals_the_generalized_eigenproblem_iterated_in_memory() -> None:
    t1, t2 = pair()
    expected = reference_isfa(flat(t1), flat(t2), 5)
    actual = on_arrays(isfa, t1, t2, max_iterations=5, tolerance=0.0)
    np.testing.assert_allclose(flat(actual), expected, rtol=1e-4, atol=1e-5)


def test_slowest_feature_comes_first() -> None:
    rng = np.random.default_rng(0)
    t1 = rng.normal(0, 10, (3, 60, 60))
    t2 = t1 + rng.normal(0, 1, t1.shape) * np.array([9.0, 0.1, 3])[:, None, None]
    components = on_arrays(sfa, t1, t2)
    difference = np.abs(t1 - t2)
    owners = [
        int(np.argmax([np.corrcoef(c.ravel(), d.ravel())[0, 1] for d in difference]))
        for c in components
    ]
    assert owners == [1, 2, 0]


def test_sfa_statistic_is_chi_square_with_one_degree_per_feature() -> None:
    t1, t2 = pair(bands=4)
    image = sfa([(t1, t2, np.ones(t1.shape[1:], dtype=bool))])
    assert image.chi2_dof == image.components == 4
    assert abs(image.merge(image.apply(t1, t2)).mean() - 4) < 0.01
