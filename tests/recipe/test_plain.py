"""The plain difference: nothing is fitted between the dates, and their order does not matter."""

from __future__ import annotations

import numpy as np
import torch

from metriccd.nets.features import load_extractor
from metriccd.recipe.plain import Plain

RNG = np.random.default_rng(0)
T1 = RNG.random((4, 48, 56)).astype(np.float32)
T2 = RNG.random((4, 48, 56)).astype(np.float32)
ALL = np.ones((48, 56), bool)
RGB = (2, 1, 0)


def fitted(t1=T1, t2=T2, network=None, valid=ALL) -> tuple[Plain, list]:
    plain, _, distances = Plain.fit([(t1, t2, valid)], rgb=RGB, network=network, device="cpu")
    return plain, distances


def test_without_a_network_it_is_the_euclidean_distance_over_its_mean() -> None:
    _, (distance,) = fitted()
    pixels = np.concatenate([image.reshape(4, -1) for image in (T1, T2)], axis=1)
    low, high = np.percentile(pixels, [0.1, 99.9], axis=1)[..., None, None]
    one, other = (np.clip((image - low) / (high - low), 0, 1) for image in (T1, T2))
    expected = np.linalg.norm(one - other, axis=0)
    np.testing.assert_allclose(distance, expected / expected.mean(), rtol=1e-4)


def test_colors_count_twice_and_each_level_of_features_once() -> None:
    network = load_extractor("embedded").folded((1, 2)).eval()
    plain, (distance,) = fitted(network=network)
    assert len(plain.means) == 3
    _, (colors,) = fitted()
    features = 4 * distance - 2 * colors
    assert float(features.mean()) == np.float32(2).item() or abs(float(features.mean()) - 2) < 1e-2


def test_the_order_of_the_dates_does_not_matter() -> None:
    network = load_extractor("embedded").folded((1, 2)).eval()
    (one,), (other,) = (fitted(*dates, network=network)[1] for dates in ((T1, T2), (T2, T1)))
    torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


def test_a_window_is_measured_as_in_the_whole_and_invalid_pixels_do_not_count() -> None:
    valid = ALL.copy()
    valid[:10] = False
    poisoned = np.where(valid, T2, 1e6).astype(np.float32)
    plain, (distance,) = fitted(t2=poisoned, valid=valid)
    _, (expected,) = fitted(T1[:, 10:], T2[:, 10:], valid=valid[10:])
    np.testing.assert_allclose(distance[10:], expected, rtol=1e-3)
    rows = slice(20, 40)
    _, window = plain(T1[:, rows], T2[:, rows], ALL[rows], rgb=RGB, network=None, device="cpu")
    np.testing.assert_allclose(window, distance[rows], rtol=1e-5)
