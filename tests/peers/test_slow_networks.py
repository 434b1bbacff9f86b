from __future__ import annotations

import numpy as np
import torch
from peer_scenes import block, changed
from scipy.linalg import eigh

from metriccd.peers import fit_slow_networks
from metriccd.peers.slow_networks import UNITS, _moments, _slow, _still


def test_the_loss_falls_and_is_kept() -> None:
    curve = fit_slow_networks([block(bands=6)], seed=0).history["loss"]
    assert curve[-1] < 0.7 * curve[0]


def test_differences_of_slow_features_have_unit_variance_and_mean_0() -> None:
    pair = block()
    statistic = fit_slow_networks([pair], seed=0, steps=5).layers(pair)[0] ** 2
    np.testing.assert_allclose(statistic.mean(), UNITS[-1], rtol=1e-3)


def test_linear_networks_give_slow_feature_analysis() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.normal(size=(4, 500))
    dates = np.stack([pixels, pixels + rng.normal(0, 0.4, pixels.shape)]).astype(np.float32)
    # Without layers between, the outputs are the bands.
    one = (torch.eye(4), torch.zeros(4))
    mean, slow = _slow((one, one), torch.from_numpy(dates))
    found = ((dates[0] - dates[1]).T - mean.numpy()) @ slow.numpy()
    t1, t2 = ((date - date.mean(axis=1, keepdims=True)) for date in dates.astype(np.float64))
    between = (t1 - t2) @ (t1 - t2).T / 500
    within = (t1 @ t1.T + t2 @ t2.T) / 1000 + 1e-4 * np.eye(4)
    _, axes = eigh(between, within)
    expected = (t1 - t2).T @ axes
    expected = (expected / expected.std(axis=0)) ** 2
    np.testing.assert_allclose((found**2).sum(axis=1), expected.sum(axis=1), rtol=1e-3)


def test_a_constant_output_is_not_slow() -> None:
    outputs = torch.randn(100, 2, generator=torch.Generator().manual_seed(0))
    one, other = (outputs + torch.tensor([0.0, shift]) for shift in (0, 50))
    between, within = _moments(one, other)
    assert float(between.abs().max()) < 1e-6
    assert float(within.diagonal().max()) < 2


def test_the_networks_learn_from_what_did_not_change() -> None:
    pair = block()
    dates = np.stack([pair.t1, (pair.t2 - 60) / 1.3])
    still = _still(dates.reshape(2, 3, -1)).reshape(pair.valid.shape)
    assert still[~changed(pair)].mean() > 0.95
    assert still[changed(pair)].mean() < 0.1
