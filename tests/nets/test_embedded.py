"""The embedded extractor: what its attributes promise, and where its weights come from."""

from __future__ import annotations

import json
from importlib import resources

import numpy as np
import pytest
import torch
from safetensors import safe_open
from torch.nn import functional

from metriccd.nets.embedded import LEVELS, WIDTHS, MetricExtractor, embedded, enlarge, halve

WEIGHTS = resources.files("metriccd.nets").joinpath("extractor.safetensors")


def image(rows: int = 96, cols: int = 88) -> torch.Tensor:
    return torch.rand(1, 3, rows, cols, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("levels", [(1,), (2,), (1, 2), (1, 3), (1, 2, 3)])
def test_each_level_halves_the_resolution(levels: tuple[int, ...]) -> None:
    maps = embedded(levels)(image())
    assert [tuple(found.shape) for found in maps] == [
        (1, WIDTHS[level - 1], 96 >> (level - 1), 88 >> (level - 1)) for level in levels
    ]


@pytest.mark.parametrize("levels", [(), (0,), (4,), (2, 1), (1, 1)])
def test_other_levels_are_refused(levels: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="levels must be"):
        MetricExtractor(levels)


def test_a_window_with_its_halo_gives_the_features_of_the_whole() -> None:
    net = embedded()
    whole = net(image(128, 128))
    start = -(-net.halo // net.stride) * net.stride
    part = net(image(128, 128)[..., : 64 + start, : 64 + start])
    for level, (large, small) in enumerate(zip(whole, part, strict=True)):
        inner = 64 >> level
        torch.testing.assert_close(
            small[..., :inner, :inner], large[..., :inner, :inner], rtol=1e-4, atol=1e-4
        )


def test_nothing_beyond_the_halo_matters_and_something_at_it_does() -> None:
    net = embedded()
    changed = image(128, 128)
    changed[..., 64, 64] += 5
    differs = (net(image(128, 128))[-1] - net(changed)[-1]).abs().amax(dim=(0, 1)) > 0
    cells = differs.nonzero()
    # a cell of level 3 stands for 4 pixels
    reach = max(int((64 - 4 * cells.min(dim=0).values).max()), int((4 * cells + 3 - 64).max()))
    assert net.halo - net.stride < reach <= net.halo


def test_the_weights_are_small_and_say_how_they_were_made() -> None:
    assert len(WEIGHTS.read_bytes()) < 2 * 2**20
    with resources.as_file(WEIGHTS) as path, safe_open(path, framework="pt") as file:
        record = json.loads(file.metadata()["metriccd"])
    assert record["licence"] == "Apache-2.0"
    assert record["seed"] == 0
    assert len(record["pairs"]) == 14


def test_it_costs_half_of_vgg_16s_first_two_levels_at_most() -> None:
    """Multiplications and additions per pixel of a pair, counted on the layers themselves."""
    cost = 0.0
    for level, block in enumerate(MetricExtractor().blocks):
        convolutions = [layer for layer in block if isinstance(layer, torch.nn.Conv2d)]
        cost += sum(2 * layer.weight.numel() for layer in convolutions) / 4**level
    assert 2 * cost < 376e3 / 2


def test_levels_share_their_weights() -> None:
    some, every = embedded((1, 2)), embedded()
    for one, other in zip(some(image()), every(image()), strict=False):
        torch.testing.assert_close(one, other)
    assert every.levels == LEVELS


def test_maps_of_a_window_lie_where_those_of_the_whole_do() -> None:
    maps = torch.rand(1, 18, 18, generator=torch.Generator().manual_seed(0))
    whole = enlarge(maps, (74, 75))
    window = enlarge(maps[:, 2:, 3:], (66, 63))
    np.testing.assert_allclose(window[:, 4:, 4:], whole[:, 12:, 16:], atol=1e-6)
    # The pixels that rounding down left over repeat the last one.
    np.testing.assert_array_equal(whole[:, 72:], whole[:, 71:72].expand(-1, 2, -1))


def test_maps_that_were_not_halved_are_stretched() -> None:
    maps = torch.rand(1, 10, 10)
    expected = functional.interpolate(maps[None], size=(33, 47), mode="bilinear")[0]
    np.testing.assert_allclose(enlarge(maps, (33, 47)), expected, atol=1e-6)


@pytest.mark.parametrize("size", [(8, 8), (9, 12), (13, 7)])
def test_halving_is_max_pooling(size: tuple[int, int]) -> None:
    maps = torch.rand(2, 3, *size)
    torch.testing.assert_close(halve(maps), functional.max_pool2d(maps, 2), rtol=0, atol=0)


def test_folded_normalization_changes_nothing() -> None:
    extractor = embedded()
    for one, other in zip(extractor(image()), extractor.folded()(image()), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)
