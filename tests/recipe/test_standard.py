"""Standardized parts: one gain for all bands, statistics over all parts together."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from metriccd.recipe.standard import Standard, inside, mean_of

RNG = np.random.default_rng(0)
T1, T2 = (RNG.random((3, 60, 70)).astype(np.float32) * 9 for _ in range(2))
ALL = np.ones((60, 70), bool)


def test_standardized_dates_keep_their_difference_up_to_one_gain() -> None:
    one, other, _ = Standard.fit([T1, T2], [ALL, ALL])(T1, T2, ALL)
    both = torch.cat([one.flatten(1), other.flatten(1)], dim=1)
    np.testing.assert_allclose(both.mean(dim=1), 0.3, atol=1e-5)
    assert float(both.std(dim=1).mean()) == pytest.approx(0.15, rel=1e-3)
    gain = (one - other).numpy() / (T1 - T2)
    np.testing.assert_allclose(gain, np.median(gain), rtol=1e-2)


def test_parts_are_standardized_as_the_whole_that_they_make_up() -> None:
    whole = Standard.fit([T1, T2], [ALL, ALL])
    parts = [(T1[:, :20], T2[:, :20]), (T1[:, 20:], T2[:, 20:])]
    valids = [ALL[:20], ALL[20:]]
    found = Standard.fit(
        [image for part in parts for image in part], [each for each in valids for _ in range(2)]
    )
    np.testing.assert_allclose(found.mean, whole.mean, rtol=1e-5)
    assert found.gain == pytest.approx(whole.gain, rel=1e-5)


def test_invalid_pixels_have_no_say_and_become_the_mean() -> None:
    valid = ALL.copy()
    valid[:10] = False
    poisoned = T1.copy()
    poisoned[:, :10] = 1e9
    standard = Standard.fit([poisoned, T2], [valid, valid])
    clean = Standard.fit([T1[:, 10:], T2[:, 10:]], [ALL[10:], ALL[10:]])
    assert standard.gain == pytest.approx(clean.gain, rel=1e-6)
    part = standard(poisoned, T2, valid)
    assert (part.t1[:, :10] == 0.3).all()


def test_a_constant_scene_stays_finite() -> None:
    flat = np.ones((2, 20, 20), np.float32)
    part = Standard.fit([flat, flat], [ALL[:20, :20]] * 2)(flat, flat, ALL[:20, :20])
    assert torch.isfinite(part.t1).all()


def test_means_are_over_what_is_valid_of_all_parts() -> None:
    maps = [torch.rand(5, 6), torch.rand(3, 4)]
    valids = [torch.rand(5, 6) > 0.5, torch.ones(3, 4, dtype=torch.bool)]
    pixels = torch.cat([m[v] for m, v in zip(maps, valids, strict=True)])
    assert mean_of(maps, valids) == pytest.approx(float(pixels.mean()), rel=1e-5)
    assert inside(maps[0][None], valids[0]).shape == (1, int(valids[0].sum()))
