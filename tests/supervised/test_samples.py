"""Samples: what is held out is never drawn, and a patch keeps its reference."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from lessons import lesson
from metriccd.errors import DataError
from metriccd.supervised.samples import Sample, patches, share_of_change


def numbered(height: int, width: int) -> Sample:
    """A sample whose pixels are numbers of their own, in the images and in the reference."""
    numbers = torch.arange(float(height * width)).reshape(height, width)
    return Sample(numbers[None], numbers[None] + 0.5, numbers, torch.ones(height, width))


def test_held_out_rows_are_never_drawn_and_all_others_are_in_time() -> None:
    learned, held_out = numbered(100, 70).split()
    assert held_out.target.shape == (20, 70)
    assert not set(learned.target.flatten().tolist()) & set(held_out.target.flatten().tolist())
    seen, random = set(), torch.Generator().manual_seed(0)
    for _ in range(60):
        for drawn in patches([learned], side=32, stride=32, batch=4, random=random):
            assert drawn.t1.shape[1:] == (1, 32, 32)
            assert torch.equal(drawn.t1[:, 0], drawn.target)
            assert torch.equal(drawn.t2[:, 0], drawn.target + 0.5)
            seen |= set(drawn.target.flatten().tolist())
    every = set(learned.target.flatten().tolist())
    assert seen <= every
    # In the very corners a patch lies seldom.
    assert len(seen) > 0.97 * len(every)


def test_the_eight_ways_are_all_there_are() -> None:
    sample = numbered(3, 3)
    ways = {tuple(sample.turned(way).target.flatten().tolist()) for way in range(8)}
    assert len(ways) == 8
    assert torch.equal(sample.turned(0).target, sample.target)


def test_one_seed_draws_the_same() -> None:
    samples = [numbered(90, 90), numbered(64, 128)]

    def drawn(seed: int) -> list[torch.Tensor]:
        random = torch.Generator().manual_seed(seed)
        return [each.t1 for each in patches(samples, side=32, stride=20, batch=5, random=random)]

    for one, other in zip(drawn(3), drawn(3), strict=True):
        assert torch.equal(one, other)
    assert not torch.equal(drawn(3)[0], drawn(4)[0])


def test_a_place_smaller_than_a_patch_counts_with_the_pixels_that_it_has() -> None:
    small = numbered(10, 50)
    (drawn,) = patches([small], side=32, stride=32, batch=9, random=torch.Generator())
    assert drawn.weight.shape == (1, 32, 32)
    assert drawn.weight.sum() == 320


def test_places_without_change_teach_nothing() -> None:
    sample = numbered(8, 8)
    still = replace(sample, target=torch.zeros(8, 8))
    assert share_of_change([still, replace(sample, target=torch.ones(8, 8))]) == 0.5
    with pytest.raises(DataError, match=r"got 0 changed pixels of 64"):
        share_of_change([still])


def test_a_place_is_known_by_its_pixels_and_its_reference() -> None:
    place = lesson(1)
    assert place.digest == lesson(1).digest
    assert len({place.digest, lesson(2).digest, replace(place, changed=~place.changed).digest}) == 3
