"""A scene with one changed rectangle, in two radiometries, for the tests of `metriccd.peers`."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from metriccd.pair import Block

CHANGED = (slice(20, 36), slice(12, 30))


def block(seed: int = 0, bands: int = 3, rows: int = 56, cols: int = 48) -> Block:
    """Smooth correlated bands, at t2 brighter and noisy, and another texture in `CHANGED`."""
    rng = np.random.default_rng(seed)
    ground = gaussian_filter(rng.normal(size=(bands + 1, rows, cols)), (0, 2, 2))
    t1 = 1000 + 900 * (ground[:bands] + ground[bands]) + rng.normal(0, 5, (bands, rows, cols))
    t2 = 1.3 * t1 + 60 + rng.normal(0, 8, t1.shape)
    t2[:, *CHANGED] += 700 + rng.normal(0, 120, t1.shape)[:, *CHANGED]
    valid = np.ones((rows, cols), bool)
    return Block(t1.astype(np.float32), t2.astype(np.float32), valid)


def swapped(pair: Block) -> Block:
    return Block(pair.t2, pair.t1, pair.valid)


def changed(pair: Block) -> np.ndarray:
    mask = np.zeros(pair.valid.shape, bool)
    mask[CHANGED] = True
    return mask
