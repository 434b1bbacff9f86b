"""What must hold for every method that is fitted on parts of a scene, whatever it computes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import pytest
from peer_scenes import block, changed, swapped
from sklearn.metrics import roc_auc_score

from metriccd.nets import load_extractor
from metriccd.pair import Block
from metriccd.peers import fit_cosine, fit_kernels, fit_objects, fit_slow_networks, fit_subspace
from metriccd.recipe import seen_by
from metriccd.scene import Fitted


def cosine(parts: Sequence[Block]) -> Fitted:
    bands = len(parts[0].t1)
    rgb = (0, 1, 2) if bands > 2 else (0, 0, 0)
    return fit_cosine(parts, rgb=rgb, network=seen_by(load_extractor("embedded"), "cpu"))


FITS: dict[str, Callable[[Sequence[Block]], Fitted]] = {
    "object_cva": fit_objects,
    "kpca_mnet": partial(fit_kernels, seed=0),
    "dsfa": partial(fit_slow_networks, seed=0, steps=10),
    "difference_subspace": partial(fit_subspace, seed=0),
    "feature_cosine": cosine,
}
# Networks of both dates start from other weights; one date's colors are mapped to the other's.
ASYMMETRIC = {"dsfa", "feature_cosine"}
every = pytest.mark.parametrize("name", FITS)


def measured(name: str, pair: Block) -> np.ndarray:
    return FITS[name]([pair]).layers(pair)[0]


@every
def test_the_changed_rectangle_ranks_above_the_rest(name: str) -> None:
    pair = block()
    assert roc_auc_score(changed(pair).ravel(), measured(name, pair).ravel()) > 0.8


@pytest.mark.parametrize("name", sorted(set(FITS) - {"dsfa"}))
def test_identical_dates_do_not_differ(name: str) -> None:
    t1, _, valid = block()
    np.testing.assert_allclose(measured(name, Block(t1, t1.copy(), valid)), 0, atol=2e-3)


@pytest.mark.parametrize("name", sorted(set(FITS) - ASYMMETRIC))
def test_the_order_of_dates_changes_nothing(name: str) -> None:
    pair = block()
    forward, backward = measured(name, pair), measured(name, swapped(pair))
    np.testing.assert_allclose(backward, forward, atol=5e-3 * forward.max())


@pytest.mark.parametrize("name", sorted(set(FITS) - {"object_cva", "feature_cosine"}))
def test_gain_and_offset_of_either_date_change_nothing(name: str) -> None:
    t1, t2, valid = block()
    before = measured(name, Block(t1, t2, valid))
    after = measured(name, Block(t1 * 4 - 256, t2 / 8 + 32, valid))
    np.testing.assert_allclose(after, before, atol=0.02 * before.max())


@every
def test_what_is_not_valid_has_no_influence_and_no_value(name: str) -> None:
    t1, t2, valid = block()
    valid[40:, :9] = False
    whole = measured(name, Block(np.where(valid, t1, 0), np.where(valid, t2, 0), valid))
    np.testing.assert_array_equal(np.isnan(whole), ~valid)
    assert (whole[valid] >= 0).all()


@every
@pytest.mark.parametrize("bands", [1, 5])
def test_any_number_of_bands_will_do(name: str, bands: int) -> None:
    assert np.isfinite(measured(name, block(bands=bands))).all()


@every
def test_constant_dates_give_finite_values(name: str) -> None:
    shape = (3, 24, 20)
    t1, t2 = np.full(shape, 3, np.float32), np.full(shape, 4, np.float32)
    assert np.isfinite(measured(name, Block(t1, t2, np.ones(shape[1:], bool)))).all()


@pytest.mark.parametrize("name", sorted(set(FITS) - {"feature_cosine"}))  # networks halve rows
def test_one_row_of_pixels_is_a_scene(name: str) -> None:
    pair = Block(*(each[..., :1, :] for each in block(cols=80)))
    assert np.isfinite(measured(name, pair)).all()


@every
def test_the_same_seed_gives_the_same_bytes(name: str) -> None:
    pair = block()
    assert measured(name, pair).tobytes() == measured(name, pair).tobytes()
