"""Compaction: few bands stay as they are; of many, what noise does not explain."""

from __future__ import annotations

import numpy as np

from metriccd.pair import MANY_BANDS
from metriccd.recipe import compact_block, compacted


def scene(bands: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two smooth materials in all bands; the change shows in three bands only."""
    random = np.random.default_rng(0)
    rows, cols = np.mgrid[:64, :64] / 64
    sources = np.stack([np.sin(6 * rows), np.cos(5 * cols)])
    mixing = random.normal(size=(bands, 2))
    clean = np.einsum("bs,src->brc", mixing, sources)
    t1, t2 = (clean + random.normal(0, 0.05, clean.shape) for _ in range(2))
    t2[-3:, 20:30, 20:30] += 0.6
    return t1.astype(np.float32), t2.astype(np.float32), np.ones((64, 64), bool)


def test_few_bands_are_not_compacted() -> None:
    assert compacted([scene(MANY_BANDS)], (0, 1, 2)) is None
    block = compact_block(scene(4), None)
    np.testing.assert_array_equal(block.t1, scene(4)[0])


def test_a_change_of_few_bands_stands_out_of_the_components() -> None:
    t1, t2, valid = scene(100)
    compact = compacted([(t1, t2, valid)], (0, 1, 2))
    assert compact is not None
    block = compact_block((t1, t2, valid), compact)
    assert len(block.t1) <= MANY_BANDS
    apart = block.t2[3:] - block.t1[3:]
    apart /= apart[:, :10].std(axis=(1, 2), keepdims=True)
    distance = np.linalg.norm(apart, axis=0)
    assert np.median(distance[20:30, 20:30]) > 3 * np.median(distance)
