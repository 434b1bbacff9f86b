"""Evidence for water as a score: what became water is above 0.5, in tiles as in the whole."""

from __future__ import annotations

import numpy as np
import pytest

from metriccd.kinds import KINDS, evidence, wanted_kinds
from metriccd.kinds.evidence import Strength
from metriccd.kinds.rules import KindRules
from metriccd.pair import ArrayPair, Block
from metriccd.raster import Window
from metriccd.scene import Memory, finished
from metriccd.stages import Stages

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
    passes = Strength.passes(ArrayPair(block=block), rules, wanted, Memory(), read)
    return finished(passes, Stages())


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


def test_built_takes_what_became_bright_and_gray_of_what_changed() -> None:
    """Soil turns to concrete, to a meadow and to brighter soil; the score rises in all three."""
    random = np.random.default_rng(4)
    grounds = {"soil": (1500, 1200, 900), "concrete": (2200, 2150, 2100), "meadow": (500, 900, 400)}
    after = np.full((96, 96), "soil", object)
    after[10:30, 10:30], after[10:30, 60:80] = "concrete", "meadow"
    score = np.where(after == "soil", np.float32(0.1), np.float32(0.9))
    brighter = (slice(60, 80), slice(10, 30))
    score[brighter] = 0.9

    def image(ground: np.ndarray) -> np.ndarray:
        table = np.array([grounds[name] for name in ground.ravel()], float)
        noisy = table * random.normal(1, 0.03, table.shape)
        return np.moveaxis(noisy.reshape(96, 96, 3), -1, 0).astype(np.float32)

    block = Block(image(np.full((96, 96), "soil", object)), image(after), np.ones((96, 96), bool))
    block.t2[:, *brighter] *= 1.3
    wanted, roles = wanted_kinds("built"), {"red": 0, "green": 1, "blue": 2}
    assert wanted is not None
    rules = KindRules.of([block], roles)
    passes = Strength.passes(
        ArrayPair(block=block), rules, wanted, Memory(), lambda window: score[window.slices]
    )
    found = finished(passes, Stages()).read(WHOLE)
    concrete, meadow = found[10:30, 10:30], found[10:30, 60:80]
    assert (concrete > 0.5).mean() > 0.95
    assert (meadow < 0.5).all()
    assert concrete.min() > meadow.max()
    assert np.median(concrete) > np.median(found[brighter])
