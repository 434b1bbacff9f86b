"""Windows that stand for a scene: all of a small one, a spread of a large one."""

from __future__ import annotations

import numpy as np
import pytest

from metriccd.errors import DataError
from metriccd.pair.blocks import ArrayPair, Block
from metriccd.scene import sampling
from metriccd.scene.sampling import representative


def pair(height: int, width: int, valid: np.ndarray | None = None) -> ArrayPair:
    """A pair whose pixels tell where they are."""
    rows, cols = np.mgrid[:height, :width].astype(np.float32)
    known = np.ones((height, width), bool) if valid is None else valid
    return ArrayPair(block=Block(rows[None], cols[None], known))


@pytest.fixture
def tight(monkeypatch) -> None:
    monkeypatch.setattr(sampling, "PIXELS", 16 * 400)
    monkeypatch.setattr(sampling, "SIDE", 20)


@pytest.mark.usefixtures("tight")
def test_a_small_scene_stands_for_itself() -> None:
    (block,) = representative(pair(80, 80))
    assert block.valid.shape == (80, 80)


@pytest.mark.usefixtures("tight")
@pytest.mark.parametrize("shape", [(200, 200), (50, 900), (900, 50), (8, 9000)])
def test_windows_of_a_large_scene_are_spread_over_it(shape: tuple[int, int]) -> None:
    blocks = representative(pair(*shape))
    assert 14 <= len(blocks) <= 16
    assert sum(block.valid.size for block in blocks) <= sampling.PIXELS
    for date, side in ((0, shape[0]), (1, shape[1])):
        places = np.array([block[date].mean() for block in blocks]) / side
        if side > 100:
            assert places.min() < 0.3
            assert places.max() > 0.7


@pytest.mark.usefixtures("tight")
def test_windows_of_nodata_are_passed_over() -> None:
    valid = np.zeros((300, 300), bool)
    valid[:, :150] = True
    blocks = representative(pair(300, 300, valid))
    assert len(blocks) == 16
    assert min(block.valid.mean() for block in blocks) >= sampling.GOOD


@pytest.mark.usefixtures("tight")
def test_the_best_there_are_is_taken_of_a_scene_that_is_mostly_nodata() -> None:
    valid = np.random.default_rng(0).random((300, 300)) < 0.05
    blocks = representative(pair(300, 300, valid))
    assert len(blocks) == 16
    assert all(block.valid.any() for block in blocks)


@pytest.mark.usefixtures("tight")
def test_same_seed_same_windows() -> None:
    one, again, other = (representative(pair(300, 300), seed=seed) for seed in (0, 0, 1))
    assert all(np.array_equal(a.t1, b.t1) for a, b in zip(one, again, strict=True))
    assert not all(np.array_equal(a.t1, b.t1) for a, b in zip(one, other, strict=True))


@pytest.mark.usefixtures("tight")
def test_nothing_valid_is_an_error() -> None:
    with pytest.raises(DataError, match="at least 64 pixels must be valid"):
        representative(pair(300, 300, np.zeros((300, 300), bool)))
