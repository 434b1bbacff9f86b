"""The kinds of a scene: tiles agree with the whole, and only what was asked for is change."""

from __future__ import annotations

import numpy as np
import pytest

from metriccd.kinds import KINDS, NODATA, KindMap, map_kinds, mapping, shown, wanted_kinds
from metriccd.pair import ArrayPair, Block
from metriccd.raster import Window
from metriccd.scene import Memory, finished
from metriccd.stages import Stages

ROLES = {"red": 0, "green": 1, "nir": 2, "swir1": 3}


def noise(seed: int = 0) -> Block:
    random = np.random.default_rng(seed)
    t1, t2 = (random.uniform(50, 3000, (4, 90, 130)).astype(np.float32) for _ in range(2))
    return Block(t1, t2, random.random((90, 130)) > 0.1)


def mapped(pair: ArrayPair, asked: str) -> KindMap:
    return finished(map_kinds(pair, ROLES, Memory(), wanted=wanted_kinds(asked)), Stages())


def test_tiles_give_what_the_whole_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    pair, window = ArrayPair(block=noise()), Window.whole((90, 130))
    whole = mapped(pair, "water-gained")
    monkeypatch.setattr(mapping, "SIZE", 37)
    tiled = mapped(pair, "water-gained")
    np.testing.assert_array_equal(whole.read(window), tiled.read(window))
    score = np.where(noise().valid, np.float32(0.7), np.float32(np.nan))
    for one, other in zip(
        whole.decided(window, score, 0.5), tiled.decided(window, score, 0.5), strict=True
    ):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_other_kinds_are_no_change_and_keep_their_score() -> None:
    block, window = noise(), Window.whole((90, 130))
    kinds = mapped(ArrayPair(block=block), "!built")
    score = np.where(block.valid, np.float32(0.7), np.float32(np.nan))
    change, kept = kinds.decided(window, score, 0.5)
    built = kinds.read(window) == KINDS["built"].value
    assert built.any()
    np.testing.assert_array_equal(change, block.valid & ~built)
    np.testing.assert_array_equal(kept, score)


def test_kind_tif_names_changed_pixels_only() -> None:
    labels = np.array([[1, 4], [6, NODATA]], np.uint8)
    change = np.array([[True, False], [True, False]])
    np.testing.assert_array_equal(shown(labels, change), [[1, 0], [6, NODATA]])
