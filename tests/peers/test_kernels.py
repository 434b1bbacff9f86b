from __future__ import annotations

import numpy as np
import torch
from peer_scenes import block
from sklearn.decomposition import KernelPCA

from metriccd.pair import Block
from metriccd.peers import fit_kernels
from metriccd.peers.kernels import FEATURES, GAMMA, PATCH, KernelLayer


def test_a_layer_is_scikit_learns_kernel_pca_of_every_patch() -> None:
    rng = np.random.default_rng(0)
    sample = rng.normal(0, 2, (60, 3, PATCH, PATCH))
    dates = rng.normal(0, 2, (2, 3, 11, 9)).astype(np.float32)
    found = KernelLayer.of(sample)(torch.from_numpy(dates)).numpy()
    reference = KernelPCA(FEATURES, kernel="rbf", gamma=GAMMA, eigen_solver="dense")
    reference.fit(sample.reshape(60, -1))
    margin = PATCH // 2
    padded = np.pad(dates, ((0, 0), (0, 0), (margin, margin), (margin, margin)), mode="edge")
    patches = np.lib.stride_tricks.sliding_window_view(padded, (PATCH, PATCH), axis=(2, 3))
    flat = patches.transpose(0, 2, 3, 1, 4, 5).reshape(2 * 11 * 9, -1)
    expected = reference.transform(flat).reshape(2, 11, 9, FEATURES).transpose(0, 3, 1, 2)
    for component in range(FEATURES):  # of either sign
        mine, theirs = found[:, component], expected[:, component]
        sign = np.sign((mine * theirs).sum())
        np.testing.assert_allclose(sign * mine, theirs, atol=2e-4 * np.abs(theirs).max() + 1e-5)


def test_components_that_are_rounding_are_0() -> None:
    layer = KernelLayer.of(np.ones((20, 2, PATCH, PATCH)))
    assert (layer.weights == 0).all()


def test_a_window_with_its_context_gives_what_the_scene_gives() -> None:
    pair = block()
    fitted = fit_kernels([pair], seed=0)
    assert fitted.halo == 6
    whole = fitted.layers(pair)[0]
    window = Block(*(each[..., 8:44, 10:40] for each in pair))
    inner = fitted.layers(window)[0][6:-6, 6:-6]
    np.testing.assert_allclose(inner, whole[14:38, 16:34], atol=1e-3 * whole.max())
