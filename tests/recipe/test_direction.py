"""A direction: what the later date holds and the earlier one does not foresee."""

from __future__ import annotations

import numpy as np
import pytest

from metriccd.nets.features import load_extractor
from metriccd.recipe.direction import Direction

RNG = np.random.default_rng(0)
GROUND = RNG.normal(0.3, 0.05, (3, 96, 96)).astype(np.float32)
ALL = np.ones((96, 96), bool)


@pytest.fixture(scope="module")
def dates() -> tuple[np.ndarray, np.ndarray]:
    later = GROUND + RNG.normal(0, 0.01, GROUND.shape).astype(np.float32)
    later[:, 40:56, 40:56] += 0.4 * RNG.random((3, 16, 16)).astype(np.float32)
    return GROUND, later


def fitted(earlier, later, seed: int = 0):
    network = load_extractor("embedded").folded((1, 2)).eval()
    settings = {"rgb": (0, 1, 2), "network": network, "device": "cpu"}
    direction, (evidence,) = Direction.fit(
        [(earlier, later, ALL)], color_factor=4, seed=seed, **settings
    )
    return direction, evidence, settings


def test_every_witness_is_one_on_average_and_larger_where_something_appeared(dates) -> None:
    _, evidence, _ = fitted(*dates)
    for name, distance in evidence.items():
        assert float(distance.mean()) == pytest.approx(1, rel=1e-3), name
        assert float(distance[42:54, 42:54].mean()) > 1.5, name


def test_the_date_that_holds_more_is_the_harder_one_to_foresee(dates) -> None:
    earlier, later = dates
    assert fitted(earlier, later)[0].surprise > fitted(later, earlier)[0].surprise


def test_a_window_is_measured_as_in_the_whole(dates) -> None:
    earlier, later = dates
    direction, evidence, settings = fitted(*dates)
    window = direction(earlier, later, ALL, **settings)
    for name, distance in evidence.items():
        np.testing.assert_allclose(window[name], distance, rtol=1e-3, atol=1e-3)


def test_the_same_seed_gives_the_same_evidence(dates) -> None:
    one, again, other = (fitted(*dates, seed=seed)[1]["prediction"] for seed in (0, 0, 1))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


def test_noise_is_no_change_for_being_all_that_there_is() -> None:
    noisy = GROUND + RNG.normal(0, 1e-3, GROUND.shape).astype(np.float32)
    _, evidence, _ = fitted(GROUND, noisy)
    for name, distance in evidence.items():
        assert float(distance.mean()) < 0.5, name
