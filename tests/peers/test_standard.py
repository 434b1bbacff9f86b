from __future__ import annotations

import numpy as np
from peer_scenes import block
from sklearn.preprocessing import StandardScaler

from metriccd.pair import Block
from metriccd.peers.standard import Standard


def test_bands_are_standardized_as_scikit_learn_does_over_valid_pixels_of_all_parts() -> None:
    pair = block()
    pair.valid[:7] = False
    halves = [Block(*(each[..., part] for each in pair)) for part in np.s_[:20, 20:]]
    found = Standard.of(halves)(pair)
    for date, image in zip(found, pair, strict=False):
        expected = StandardScaler().fit_transform(image[:, pair.valid].T.astype(np.float64)).T
        np.testing.assert_allclose(date[:, pair.valid], expected, atol=1e-4)
    assert (found[..., ~pair.valid] == 0).all()


def test_a_constant_band_is_0() -> None:
    pair = block()
    pair.t1[1] = 0.1
    assert (Standard.of([pair])(pair)[0, 1] == 0).all()
