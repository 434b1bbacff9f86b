"""The guided filter: He, Sun & Tang's, in Gaussian windows, with two guides."""

from __future__ import annotations

import numpy as np
import torch
from scipy.ndimage import gaussian_filter

from metriccd.recipe.guidance import FLAT, SIGMA, guided, halo_of

RANDOM = torch.Generator().manual_seed(0)
ALL = torch.ones(60, 70, dtype=torch.bool)
T1, T2 = (0.3 + 0.15 * torch.randn(3, 60, 70, generator=RANDOM) for _ in range(2))
NOISE = torch.randn(60, 70, generator=RANDOM)


def test_it_is_the_regression_that_numpy_solves_in_every_window() -> None:
    guides = [T1.mean(dim=0).double().numpy(), T2.mean(dim=0).double().numpy()]
    image = NOISE.double().numpy()
    mean = lambda x: gaussian_filter(x, SIGMA, truncate=3)  # noqa: E731  # a formula
    means = [mean(guide) for guide in guides]
    covariance = np.stack(
        [[mean(a * b) - mean(a) * mean(b) for b in guides] for a in guides]
    ).transpose(2, 3, 0, 1)
    shared = np.stack([mean(a * image) - mean(a) * mean(image) for a in guides], axis=-1)
    slopes = np.linalg.solve(covariance + FLAT * np.eye(2), shared[..., None])[..., 0]
    offset = mean(image) - sum(slopes[..., k] * means[k] for k in range(2))
    expected = mean(offset) + sum(mean(slopes[..., k]) * guides[k] for k in range(2))
    np.testing.assert_allclose(guided(NOISE, T1, T2, ALL), expected, atol=2e-3)


def test_flat_guides_only_smooth() -> None:
    flat = torch.full_like(T1, 0.3)
    twice = gaussian_filter(gaussian_filter(NOISE.numpy(), SIGMA, truncate=3), SIGMA, truncate=3)
    np.testing.assert_allclose(guided(NOISE, flat, flat, ALL), twice, atol=1e-4)


def test_a_smeared_step_is_sharp_again_where_a_date_shows_the_edge() -> None:
    step = torch.zeros(60, 70)
    step[:, 35:] = 1
    smeared = torch.from_numpy(gaussian_filter(step.numpy(), 2.0))
    guide = (0.3 + 0.5 * step).expand(3, -1, -1)
    flat = torch.full_like(guide, 0.3)
    for one, other in ((guide, flat), (flat, guide)):
        across = guided(smeared, one, other, ALL)[30]
        assert across[35] - across[34] > 2 * (smeared[30, 35] - smeared[30, 34])


def test_what_is_not_valid_has_no_say() -> None:
    valid = ALL.clone()
    valid[:, :20] = False
    poisoned = torch.where(valid, NOISE, 1e4)
    inside = slice(20, None)
    found, expected = (guided(image, T1, T2, valid)[:, inside] for image in (poisoned, NOISE))
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_a_window_needs_its_halo_and_no_more() -> None:
    whole = guided(NOISE, T1, T2, ALL)
    rows, cols = slice(5, 55), slice(10, 65)
    window = guided(NOISE[rows, cols], T1[:, rows, cols], T2[:, rows, cols], ALL[rows, cols])
    inner = slice(halo_of(SIGMA), -halo_of(SIGMA))
    np.testing.assert_allclose(window[inner, inner], whole[rows, cols][inner, inner], atol=1e-4)
