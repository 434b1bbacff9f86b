from __future__ import annotations

import numpy as np
import torch
from peer_scenes import block
from scipy.linalg import subspace_angles

from metriccd.pair import Block
from metriccd.peers import fit_subspace
from metriccd.peers.subspace import ENERGY, KERNELS, _halved, _kernels, _projection


def maps(pixels: int = 90, count: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Maps of both dates, a row a pixel."""
    rng = np.random.default_rng(0)
    one = rng.normal(size=(pixels, count)) * np.arange(1, count + 1)
    return one, one + rng.normal(0, 0.5, one.shape)


def difference_subspace(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """An orthonormal basis, from the samples themselves (Fukui & Maki 2015), and the angles."""
    bases = []
    for date in (one, other):
        left, values, _ = np.linalg.svd(date - date.mean(axis=1, keepdims=True))
        bases.append(left[:, : int((values > 1e-9).sum())])
    # The eigenvectors of the sum of both projections with eigenvalues between 0 and 1.
    values, vectors = np.linalg.eigh(sum(basis @ basis.T for basis in bases))
    return vectors[:, (values > 1e-9) & (values < 1 - 1e-9)], subspace_angles(*bases)


def test_the_projection_is_that_on_the_difference_subspace_of_the_samples() -> None:
    one, other = maps()
    basis, angles = difference_subspace(one, other)
    assert basis.shape[1] == (angles > 1e-6).sum() == 5
    expected = basis @ basis.T @ (other - one)
    both = np.hstack([one, other])
    found = both @ _projection(both.T @ both).T
    np.testing.assert_allclose(found, expected, atol=1e-8)


def test_dates_that_span_one_subspace_have_no_difference_subspace() -> None:
    one, _ = maps()
    both = np.hstack([one, 2 * one])
    assert np.abs(_projection(both.T @ both)).max() < 1e-6


def test_kernels_are_orthonormal_and_hold_what_they_should_of_the_variance() -> None:
    rng = np.random.default_rng(1)
    images = [torch.from_numpy(rng.normal(size=(2, 4, 20, 20)).astype(np.float32))]
    masks = [torch.ones(20, 20, dtype=torch.bool)]
    kernels = _kernels(images, masks, rng).reshape(-1, 36)
    np.testing.assert_allclose(kernels @ kernels.T, np.eye(len(kernels)), atol=1e-9)
    np.testing.assert_allclose(kernels[0], 1 / 6)
    assert len(kernels) <= KERNELS
    ramp = torch.arange(20.0).square().repeat(20, 1)[None, None].repeat(2, 1, 1, 1)
    masks[0][:, [0, -1]] = False  # where its border is repeated
    smooth = _kernels([ramp], masks, rng).reshape(-1, 9)
    assert len(smooth) == 2, f"one axis holds {ENERGY} of the patches of a curved ramp"


def test_halving_takes_maxima_and_repeats_an_odd_last_row() -> None:
    image = torch.arange(15.0).view(1, 1, 3, 5)
    assert _halved(image)[0, 0].tolist() == [[6, 8, 9], [11, 13, 14]]


def test_a_window_with_its_context_gives_what_the_scene_gives() -> None:
    pair = block()
    fitted = fit_subspace([pair], seed=0)
    assert fitted.stride == 2
    whole = fitted.layers(pair)[0]
    window = Block(*(each[..., 4:44, 6:46] for each in pair))
    halo = fitted.halo
    inner = fitted.layers(window)[0][halo:-halo, halo:-halo]
    np.testing.assert_allclose(inner, whole[4 + halo : 44 - halo, 6 + halo : 46 - halo], atol=1e-5)


def test_the_score_lies_in_0_to_1_and_reaches_it() -> None:
    pair = block()
    score = fit_subspace([pair], seed=0).layers(pair)[0]
    assert score.min() >= 0
    assert 0.9 < score.max() <= 1
