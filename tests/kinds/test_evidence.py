"""Evidence for water as a score: what became water is above 0.5, in tiles as in the whole."""

from __future__ import annotations

import numpy as np
import pytest

from metriccd.kinds import KINDS, evidence, wanted_kinds
from metriccd.kinds.evidence import Strength
from metriccd.kinds.rules import KindRules
from metriccd.pair import ArrayPair, Block
from metriccd.raster import Window
from metriccd.scene import Memory

ROLES = {"swir1": 0, "nir": 1, "green": 2}
MEADOW, WATER = (1800, 3500, 800), (60, 150, 500)
WHOLE = Window.whole((96, 96))


def flood() -> Block:
    """A meadow beside a lake; a part of it is flooded, and a part of the lake falls dry."""
    random = np.random.default_rng(2)
    before, after = (np.zeros((96, 96), bool) for _ in range(2))
    before[:, 70:] = after[:, 70:] = True
    after[20:60, 10:50] = True
    after[80:, 70:] = False

    def image(water: np.ndarray) -> np.ndarray:
        ground = np.where(water, np.array(WATER)[:, None, None], np.array(MEADOW)[:, None, None])
        return (ground * random.normal(1, 0.03, ground.shape)).astype(np.float32)

    return Block(image(before), image(after), np.ones((96, 96), np.bool_))


def strength(block: Block, asked: str, score: np.ndarray | None = None) -> Strength:
    wanted = wanted_kinds(asked)
    assert wanted is not None
    read = None if score is None else lambda window: score[window.slices]
    rules = KindRules.of([block], ROLES)
    return Strength.of(ArrayPair(block=block), rules, wanted, Memory(), read)


def test_new_water_is_above_a_half_and_water_that_stayed_is_not() -> None:
    found = strength(flood(), "water-gained").read(WHOLE)
    assert (found[24:56, 14:46] > 0.5).all()
    assert (found[:76, 76:] < 0.5).all()
    assert (found[64:, :60] < 0.5).all()
    assert (found[84:, 76:] < 0.5).all()


def test_evidence_says_which_kind_of_water() -> None:
    kinds = strength(flood(), "water-gained,water-lost").kinds(WHOLE)
    assert (kinds[24:56, 14:46] == KINDS["water-gained"].value).all()
    assert (kinds[84:, 76:] == KINDS["water-lost"].value).all()


def test_the_score_of_the_method_moves_the_order_but_decides_nothing() -> None:
    score = np.full((96, 96), 0.1, np.float32)
    score[:, 30:] = 0.9
    found = strength(flood(), "water-gained", score).read(WHOLE)
    assert found[30:50, 34:46].min() > found[30:50, 14:26].max() > 0.5


def test_tiles_give_what_the_whole_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = strength(flood(), "water-gained")
    monkeypatch.setattr(evidence, "SIZE", 37)
    tiled = strength(flood(), "water-gained")
    assert tiled.level == pytest.approx(whole.level, rel=1e-4)
    np.testing.assert_allclose(tiled.read(WHOLE), whole.read(WHOLE), atol=1e-5)
