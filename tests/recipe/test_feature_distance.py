"""Feature distances: those of the whole image, whatever the tiles."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from metriccd.nets.features import load_extractor
from metriccd.nets.precision import Size
from metriccd.recipe import feature_distance
from metriccd.recipe.feature_distance import feature_distances, halo_of

RNG = np.random.default_rng(0)
T1 = RNG.random((3, 90, 110)).astype(np.float32)
T2 = np.clip(T1 + 0.05 * RNG.standard_normal(T1.shape), 0, 1).astype(np.float32)


def distances(t1=T1, t2=T2, extractor=None) -> np.ndarray:
    network = extractor or load_extractor("embedded")
    return feature_distances(t1, t2, rgb=(0, 1, 2), extractor=network)


def test_tiles_leave_no_seam(monkeypatch) -> None:
    whole = distances()
    monkeypatch.setattr(feature_distance, "TILE", Size(cpu=32, elsewhere=32))
    # Convolutions of other sizes round otherwise: bfloat16 has 8 bits.
    np.testing.assert_allclose(distances(), whole, atol=2e-3)


def test_tiles_without_their_halo_would_leave_seams(monkeypatch) -> None:
    whole = distances()
    monkeypatch.setattr(feature_distance, "TILE", Size(cpu=32, elsewhere=32))
    monkeypatch.setattr(feature_distance, "halo_of", lambda _network: 4)
    assert np.abs(distances() - whole).max() > 8e-3


def test_both_dates_in_a_batch_give_what_they_give_one_by_one(monkeypatch) -> None:
    apart = distances()
    monkeypatch.setattr(feature_distance, "on_cpu", lambda _device: False)
    np.testing.assert_allclose(distances(), apart, atol=2e-3)


def test_equal_dates_have_no_distance_and_their_order_does_not_matter() -> None:
    assert distances(t2=T1).max() < 1e-5
    np.testing.assert_allclose(distances(t1=T2, t2=T1), distances(), atol=1e-6)


@pytest.mark.parametrize("levels", [(1,), (1, 2), (1, 2, 3)])
def test_a_map_for_each_level(levels: tuple[int, ...]) -> None:
    assert distances(extractor=load_extractor("embedded", levels)).shape == (len(levels), 90, 110)


def test_any_module_that_gives_maps_will_do() -> None:
    class Raw(nn.Module):
        def forward(self, rgb: torch.Tensor) -> tuple[torch.Tensor, ...]:
            return (rgb,)

    found = distances(extractor=Raw())
    with_constant = (
        np.concatenate([T1, np.full((1, 90, 110), 0.1)]),
        np.concatenate([T2, np.full((1, 90, 110), 0.1)]),
    )
    a, b = with_constant
    expected = 1 - (a * b).sum(0) / np.linalg.norm(a, axis=0) / np.linalg.norm(b, axis=0)
    np.testing.assert_allclose(found[0], expected, atol=1e-5)
    assert halo_of(Raw()) == feature_distance.UNKNOWN_HALO + 1
