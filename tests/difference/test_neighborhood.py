from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from difference_scenes import pair

from metriccd.difference import on_arrays, siroc


def brute_force(t1: np.ndarray, t2: np.ndarray, valid: np.ndarray, radii: list[int]) -> np.ndarray:
    """Ring by ring, pixel by pixel, with no shortcut."""
    rows, cols = valid.shape
    row, col = np.indices(valid.shape)
    out = np.full((len(radii) - 1, rows, cols), np.nan)
    for r, c in np.argwhere(valid):
        distance = np.maximum(np.abs(row - r), np.abs(col - c))
        gain = np.ones(len(t1))
        for ring, (inner, outer) in enumerate(pairwise(radii)):
            members = valid & (distance > inner) & (distance <= outer)
            if members.any():
                x1, x2 = t1[:, members], t2[:, members]
                gain = (x1 * x2).sum(axis=1) / (x1**2).sum(axis=1)
            out[ring, r, c] = np.abs(t2[:, r, c] - gain * t1[:, r, c]).mean()
    return out


@pytest.mark.parametrize(
    ("radius", "rings", "radii"),
    [(1, 1, [0, 1]), (6, 3, [0, 2, 4, 6]), (40, 4, [0, 10, 20, 30, 40])],
)
def test_siroc_equals_brute_force(radius: int, rings: int, radii: list[int]) -> None:
    t1, t2 = pair(bands=2, rows=17, cols=14)
    valid = np.random.default_rng(0).random((17, 14)) > 0.2
    actual = on_arrays(siroc, t1, t2, valid, radius=radius, rings=rings)
    np.testing.assert_allclose(actual, brute_force(t1, t2, valid, radii), rtol=1e-9, atol=1e-9)


def test_siroc_predicts_a_brighter_second_date_from_the_neighbors() -> None:
    t1, _ = pair()
    np.testing.assert_allclose(on_arrays(siroc, t1, 1.3 * t1, radius=9, rings=3), 0, atol=1e-9)


def test_siroc_takes_the_inner_gain_where_a_ring_is_black() -> None:
    t1 = np.zeros((1, 21, 21))
    t1[:, 8:13, 8:13] = 10
    components = on_arrays(siroc, t1, 3 * t1, radius=8, rings=4)
    np.testing.assert_allclose(components[:, 10, 10], 0, atol=1e-9)


def test_default_rings_are_those_of_the_paper() -> None:
    t1, t2 = pair(rows=8, cols=8)
    image = siroc([(t1, t2, np.ones((8, 8), dtype=bool))])
    assert (image.components, image.halo) == (27, 200)


@pytest.mark.parametrize(("radius", "rings"), [(0, 0), (5, 6), (5, 0)])
def test_siroc_refuses_more_rings_than_pixels(radius: int, rings: int) -> None:
    with pytest.raises(ValueError, match="rings must lie in"):
        on_arrays(siroc, *pair(), radius=radius, rings=rings)
