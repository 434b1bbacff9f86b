"""Rules: what spectra of known ground, as anybody can look them up, must be called."""

from __future__ import annotations

import numpy as np
import pytest

from metriccd.kinds import KINDS, NODATA, KindRules
from metriccd.pair import Block

# Typical reflectances × 10,000: red, green, blue, near and short-wave infrared.
GROUND = {
    "meadow": (500, 800, 400, 3500, 1800),
    "wood": (300, 500, 250, 2800, 1200),
    "soil": (1500, 1200, 900, 2200, 2800),
    "water": (300, 500, 600, 150, 60),
    "concrete": (2200, 2100, 2000, 2500, 2600),
    "ash": (600, 550, 500, 800, 1300),
    "cloud": (9000, 9000, 9000, 9200, 8500),
}
ROLES = {"red": 0, "green": 1, "blue": 2, "nir": 3, "swir1": 4}
PATCH, SIDE = 24, 192


def scene(first: str, second: str, seed: int = 3) -> Block:
    """Meadow, wood, soil and water, of which one patch goes from a ground to another."""
    grounds = np.array(["meadow", "wood", "soil", "water"])
    quarters = np.kron([[0, 1], [2, 3]], np.ones((SIDE // 2, SIDE // 2), int))
    before, after = grounds[quarters].astype(object), grounds[quarters].astype(object)
    before[:PATCH, :PATCH], after[:PATCH, :PATCH] = first, second
    random = np.random.default_rng(seed)

    def image(ground: np.ndarray) -> np.ndarray:
        table = np.array([GROUND[name] for name in ground.ravel()], np.float32)
        noise = random.normal(1, 0.03, table.shape)
        return np.moveaxis((table * noise).reshape(SIDE, SIDE, 5), -1, 0).astype(np.float32)

    return Block(image(before), image(after), np.ones((SIDE, SIDE), np.bool_))


def label(block: Block, roles: dict[str, int] = ROLES) -> np.ndarray:
    return KindRules.of([block], roles).label(block)


@pytest.mark.parametrize(
    ("first", "second", "kind"),
    [
        ("meadow", "soil", "vegetation-lost"),
        ("soil", "meadow", "vegetation-gained"),
        ("meadow", "water", "water-gained"),
        ("water", "meadow", "water-lost"),
        ("soil", "concrete", "built"),
        ("soil", "ash", "darkened"),
        ("meadow", "cloud", "cloud"),
        ("wood", "meadow", "seasonal"),
    ],
)
def test_known_ground_gets_its_name(first: str, second: str, kind: str) -> None:
    # The patch's middle: smoothing mixes its edge with what lies around it.
    middle = label(scene(first, second))[8:16, 8:16]
    if (first, second) == ("wood", "meadow"):
        # Wood is red 300, meadow 500: more than fields share, so it is not called seasonal.
        assert (middle == KINDS["other"].value).mean() > 0.5
        middle = label(scene("meadow", "meadow"))[8:16, 8:16]
    assert (middle == KINDS[kind].value).mean() > 0.9


def test_water_lost_is_water_gained_with_the_dates_swapped() -> None:
    block = scene("meadow", "water")
    swapped = Block(block.t2, block.t1, block.valid)
    gained, lost = (label(each) for each in (block, swapped))
    np.testing.assert_array_equal(
        gained == KINDS["water-gained"].value, lost == KINDS["water-lost"].value
    )


def test_the_unit_of_the_images_does_not_matter() -> None:
    block = scene("meadow", "water")
    eighth = Block(block.t1 / 8, block.t2 / 8, block.valid)
    agree = label(block) == label(eighth)
    assert agree.mean() > 0.999


def test_what_the_bands_do_not_show_is_never_named() -> None:
    block = scene("meadow", "water")
    plain = Block(block.t1[:3], block.t2[:3], block.valid)
    roles = {"red": 0, "green": 1, "blue": 2}
    rules = KindRules.of([plain], roles)
    hidden = {"water-gained", "water-lost", "cloud"}
    assert rules.seen == KINDS.keys() - hidden
    assert rules.weak
    assert not np.isin(rules.label(plain), [KINDS[name].value for name in hidden]).any()


def test_pixels_that_are_not_valid_have_no_kind() -> None:
    block = scene("soil", "concrete")
    block.valid[:5] = False
    kinds = label(block)
    assert (kinds[:5] == NODATA).all()
    assert not (kinds[5:] == NODATA).any()
