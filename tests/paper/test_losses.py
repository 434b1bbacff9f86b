from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from torch.nn import functional

from metriccd.paper.losses import (
    change_balance,
    context_consistency,
    downsample_nearest,
    instance_normalize,
    l1_distance,
    mahalanobis_distance,
    similarity_dissimilarity,
    sparsity,
)

# One small case, worked by hand: two rows, two columns.
P_C = torch.tensor([[0.9, 0.2], [0.6, 0.5]], dtype=torch.float64)
DISTANCE = torch.tensor([[4.0, 1.0], [2.0, 8.0]], dtype=torch.float64)
LAST_INVALID = torch.tensor([[True, True], [True, False]])


def random(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def poisoned(x: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    return torch.where(valid, x, torch.nan)


class TestMahalanobis:
    def test_equals_scipy_on_correlated_channels(self) -> None:
        mixing = torch.tensor([[2.0, 0, 0], [1, 0.5, 0], [-1, 3, 0.1]], dtype=torch.float64)
        x1 = torch.einsum("kc,crs->krs", mixing, random(3, 12, 9))
        x2 = torch.einsum("kc,crs->krs", mixing, random(3, 12, 9, seed=1)) + 1
        samples = (x1 - x2).flatten(1).T.numpy()
        inverse = np.linalg.inv(np.cov(samples.T))
        expected = cdist(samples, np.zeros((1, 3)), "mahalanobis", VI=inverse).reshape(12, 9)
        np.testing.assert_allclose(mahalanobis_distance(x1, x2), expected, rtol=1e-9)

    def test_hand_computed_single_channel(self) -> None:
        # differences 1, 3, 1, 3: variance 4/3 with n − 1, so distances 1/√(4/3), 3/√(4/3)
        x1 = torch.tensor([[[1.0, 3.0], [1.0, 3.0]]])
        expected = torch.tensor([[1.0, 3.0], [1.0, 3.0]]) * math.sqrt(3 / 4)
        torch.testing.assert_close(mahalanobis_distance(x1, torch.zeros_like(x1)), expected)

    def test_is_unchanged_by_any_affine_mixing_of_channels_in_any_units(self) -> None:
        x1, x2 = random(4, 20, 20), random(4, 20, 20, seed=1)
        mixing = (
            random(4, 4, seed=2) * torch.tensor([1e-4, 1, 1e4, 1e2], dtype=torch.float64)[:, None]
        )
        mixed = [torch.einsum("kc,crs->krs", mixing, x) + 7 for x in (x1, x2)]
        torch.testing.assert_close(
            mahalanobis_distance(*mixed), mahalanobis_distance(x1, x2), rtol=1e-6, atol=1e-6
        )

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_duplicated_combined_and_dead_channels_change_nothing(self, dtype: torch.dtype) -> None:
        x1, x2 = random(2, 16, 16, dtype=dtype), random(2, 16, 16, seed=1, dtype=dtype)

        def widened(x: torch.Tensor, offset: float) -> torch.Tensor:
            combined = 0.3 * x[:1] - 1.7 * x[1:]
            return torch.cat([x, x[:1], combined, torch.full_like(x[:1], offset)])

        distance = mahalanobis_distance(widened(x1, 0.1), widened(x2, 5.3))
        torch.testing.assert_close(distance, mahalanobis_distance(x1, x2), rtol=1e-4, atol=1e-4)

    def test_constant_difference_gives_zero(self) -> None:
        x1 = random(3, 8, 8, dtype=torch.float32)
        assert torch.all(mahalanobis_distance(x1, x1) == 0)
        assert torch.all(mahalanobis_distance(torch.ones(3, 8, 8), torch.zeros(3, 8, 8)) == 0)

    def test_one_or_no_valid_pixel_gives_zero(self) -> None:
        valid = torch.zeros(4, 4, dtype=torch.bool)
        x1, x2 = random(2, 4, 4), random(2, 4, 4, seed=1)
        assert torch.all(mahalanobis_distance(x1, x2, valid) == 0)
        valid[1, 2] = True
        assert torch.all(mahalanobis_distance(x1, x2, valid) == 0)

    def test_invalid_pixels_reach_neither_value_nor_gradient(self) -> None:
        valid = torch.ones(6, 6, dtype=torch.bool)
        valid[0] = False
        x1, x2 = random(2, 6, 6), random(2, 6, 6, seed=1)
        leaf = poisoned(x1, valid).requires_grad_()
        distance = mahalanobis_distance(leaf, x2, valid)
        torch.testing.assert_close(distance[1:], mahalanobis_distance(x1[:, 1:], x2[:, 1:]))
        assert torch.all(distance[0] == 0)
        distance.sum().backward()
        assert torch.isfinite(leaf.grad).all()
        assert torch.all(leaf.grad[:, 0] == 0)

    def test_gradient_is_finite_where_the_dates_are_equal(self) -> None:
        x1 = random(3, 6, 6).requires_grad_()
        x2 = x1.detach().clone()
        x2[:, 3:] += random(3, 3, 6, seed=1)
        mahalanobis_distance(x1, x2).sum().backward()
        assert torch.all(x1.grad[:, :3] == 0)
        assert torch.isfinite(x1.grad).all()
        assert torch.any(x1.grad[:, 3:] != 0)

    def test_gradient_is_that_of_a_fixed_metric(self) -> None:
        # S detached: ∂d/∂x1 = S⁻¹ (x1 − x2) / d
        x1, x2 = random(2, 5, 5).requires_grad_(), random(2, 5, 5, seed=1)
        distance = mahalanobis_distance(x1, x2)
        distance.sum().backward()
        difference = (x1 - x2).detach()
        inverse = torch.linalg.inv(torch.cov(difference.flatten(1)))
        expected = torch.einsum("kc,crs->krs", inverse, difference) / distance.detach()
        torch.testing.assert_close(x1.grad, expected)


class TestL1:
    def test_hand_computed(self) -> None:
        # pixel 0: (|1 − 4| + |2 − 1|)/2 = 2; pixel 1: (|0 − 0| + |5 − 2|)/2 = 1.5
        x1 = torch.tensor([[[1.0, 0.0]], [[2.0, 5.0]]])
        x2 = torch.tensor([[[4.0, 0.0]], [[1.0, 2.0]]])
        torch.testing.assert_close(l1_distance(x1, x2), torch.tensor([[2.0, 1.5]]))

    def test_invalid_pixels_reach_neither_value_nor_gradient(self) -> None:
        leaf = poisoned(torch.ones(2, 2, 2), LAST_INVALID).requires_grad_()
        distance = l1_distance(leaf, torch.zeros(2, 2, 2), LAST_INVALID)
        assert distance.tolist() == [[1, 1], [1, 0]]
        distance.sum().backward()
        assert leaf.grad[0].tolist() == [[0.5, 0.5], [0.5, 0]]


class TestInstanceNormalize:
    def test_equals_torch_without_a_mask(self) -> None:
        x = random(5, 9, 7) * 3 + 2
        torch.testing.assert_close(instance_normalize(x), functional.instance_norm(x[None])[0])

    def test_hand_computed(self) -> None:
        # valid values 1, 3: mean 2, biased variance 1; ε = 0 gives −1, 1 and 0 where invalid
        x = torch.tensor([[[1.0, 3.0, 100.0]]])
        valid = torch.tensor([[True, True, False]])
        assert instance_normalize(x, valid, epsilon=0).tolist() == [[[-1, 1, 0]]]

    def test_constant_channel_becomes_zero_and_nan_stays_out(self) -> None:
        x = torch.full((1, 3, 3), 4.0)
        assert torch.all(instance_normalize(x) == 0)
        valid = torch.ones(3, 3, dtype=torch.bool)
        valid[1, 1] = False
        leaf = poisoned(x, valid).requires_grad_()
        normalized = instance_normalize(leaf, valid)
        assert torch.all(normalized == 0)
        normalized.sum().backward()
        assert torch.isfinite(leaf.grad).all()

    def test_gradient_is_exact(self) -> None:
        valid = torch.ones(3, 4, dtype=torch.bool)
        valid[0, 1] = False
        x = random(2, 3, 4).requires_grad_()
        assert torch.autograd.gradcheck(lambda x: instance_normalize(x, valid), x)


class TestDownsample:
    @pytest.mark.parametrize("size", [(5, 3), (4, 7), (10, 7), (1, 1)])
    def test_equals_torch_nearest(self, size: tuple[int, int]) -> None:
        x = random(10, 7)
        expected = functional.interpolate(x[None, None], size=size, mode="nearest")[0, 0]
        assert torch.equal(downsample_nearest(x, size), expected)

    def test_works_on_masks_and_passes_gradients(self) -> None:
        assert downsample_nearest(LAST_INVALID, (1, 2)).tolist() == [[True, True]]
        x = torch.ones(4, 4, requires_grad=True)
        downsample_nearest(x, (2, 2)).sum().backward()
        assert x.grad.tolist() == [[1, 0, 1, 0], [0, 0, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0]]


class TestSimilarityDissimilarity:
    def test_hand_computed_soft(self) -> None:
        # P_c·d: 3.6, 0.2, 1.2, 4.0, mean 2.25; P_nc·d: 0.4, 0.8, 0.8, 4.0, mean 1.5
        assert similarity_dissimilarity(DISTANCE, P_C).item() == pytest.approx(1.5 - 2.25)
        weighted = similarity_dissimilarity(DISTANCE, P_C, alpha=2.0)
        assert weighted.item() == pytest.approx(1.5 - 2 * 2.25)

    def test_hand_computed_on_valid_pixels(self) -> None:
        # without the last pixel: (0.4 + 0.8 + 0.8)/3 − (3.6 + 0.2 + 1.2)/3 = −1
        loss = similarity_dissimilarity(DISTANCE, P_C, LAST_INVALID)
        assert loss.item() == pytest.approx(-1)

    def test_hand_computed_hard(self) -> None:
        # change: pixels 0 and 2, (3.6 + 1.2)/4 = 1.2; no change: pixel 1, 0.8/4 = 0.2; the pixel
        # at ½ counts in neither, but in the divisor
        loss = similarity_dissimilarity(DISTANCE, P_C, gate="hard")
        assert loss.item() == pytest.approx(0.2 - 1.2)
        loss = similarity_dissimilarity(DISTANCE, P_C, LAST_INVALID, gate="hard")
        assert loss.item() == pytest.approx((0.8 - 4.8) / 3)

    @pytest.mark.parametrize("gate", ["soft", "hard"])
    def test_gradient_is_exact(self, gate: str) -> None:
        p_c = torch.tensor([[0.9, 0.2], [0.6, 0.3]], dtype=torch.float64, requires_grad=True)
        distance = DISTANCE.clone().requires_grad_()
        assert torch.autograd.gradcheck(
            lambda d, p: similarity_dissimilarity(d, p, LAST_INVALID, gate=gate), (distance, p_c)
        )

    @pytest.mark.parametrize("gate", ["soft", "hard"])
    def test_invalid_pixels_reach_neither_value_nor_gradient(self, gate: str) -> None:
        p_c = poisoned(P_C, LAST_INVALID).requires_grad_()
        distance = poisoned(DISTANCE, LAST_INVALID).requires_grad_()
        loss = similarity_dissimilarity(distance, p_c, LAST_INVALID, gate=gate)
        loss.backward()
        expected = similarity_dissimilarity(DISTANCE, P_C, LAST_INVALID, gate=gate)
        assert loss.item() == pytest.approx(expected.item())
        assert p_c.grad[1, 1] == 0
        assert distance.grad[1, 1] == 0

    def test_is_zero_without_valid_pixels(self) -> None:
        assert similarity_dissimilarity(DISTANCE, P_C, torch.zeros_like(LAST_INVALID)) == 0

    def test_refuses_an_unknown_gate(self) -> None:
        with pytest.raises(ValueError, match="gate must be 'soft' or 'hard': got 'ajar'"):
            similarity_dissimilarity(DISTANCE, P_C, gate="ajar")


class TestContextConsistency:
    def test_hand_computed(self) -> None:
        # level 1: date 1 differs by 2 everywhere (mean 2), date 2 in one of two channels by 4
        # (mean 2); level 2: date 1 equal (0), date 2 by 1 in one of four pixels (0.25); Σ 4.25
        level1, level2 = torch.zeros(2, 2, 3, 3), torch.zeros(2, 1, 2, 2)
        changed1, changed2 = level1.clone(), level2.clone()
        changed1[0] = -2
        changed1[1, 1] = 4
        changed2[1, 0, 0, 1] = 1
        loss = context_consistency([level1, level2], [changed1, changed2])
        assert loss.item() == pytest.approx(4.25)

    def test_identical_features_cost_nothing_and_give_finite_gradients(self) -> None:
        features = random(2, 3, 4, 4).requires_grad_()
        loss = context_consistency([features], [features.detach()])
        loss.backward()
        assert loss == 0
        assert torch.isfinite(features.grad).all()

    def test_gradient_is_exact(self) -> None:
        features, augmented = random(2, 2, 3, 3), random(2, 2, 3, 3, seed=1)
        assert torch.autograd.gradcheck(
            lambda a, b: context_consistency([a], [b]),
            (features.requires_grad_(), augmented.requires_grad_()),
        )

    def test_refuses_different_numbers_of_levels(self) -> None:
        level = torch.zeros(2, 1, 2, 2)
        with pytest.raises(ValueError, match="shorter"):
            context_consistency([level, level], [level])


class TestSparsity:
    def test_hand_computed(self) -> None:
        # mean 0.5: sin(π/2) = 1; mean 1/6: sin(π/6) = ½, so 2
        assert sparsity(torch.full((2, 2), 0.5)).item() == pytest.approx(1)
        assert sparsity(torch.full((3, 3), 1 / 6)).item() == pytest.approx(2, rel=1e-5)
        # valid mean (0.9 + 0.2 + 0.6)/3 = 17/30
        expected = 1 / math.sin(math.pi * 17 / 30)
        assert sparsity(P_C, LAST_INVALID).item() == pytest.approx(expected)

    def test_gradient_is_exact_inside(self) -> None:
        assert torch.autograd.gradcheck(
            lambda p: sparsity(p, LAST_INVALID), P_C.clone().requires_grad_()
        )

    @pytest.mark.parametrize(("mean", "sign"), [(0.0, -1), (1e-6, -1), (1 - 1e-6, 1), (1.0, 1)])
    def test_is_finite_at_the_poles_and_descent_leads_back_inside(
        self, mean: float, sign: int
    ) -> None:
        p_c = torch.full((4, 4), mean, requires_grad=True)
        loss = sparsity(p_c)
        loss.backward()
        assert loss.item() == pytest.approx(1 / math.sin(math.pi / 1000), rel=1e-3)
        assert torch.isfinite(p_c.grad).all()
        assert torch.all(p_c.grad.sign() == sign)


class TestChangeBalance:
    def test_hand_computed(self) -> None:
        # a = (0.9² + 0.6²)/4 = 0.2925; b = 0.8²/4 = 0.16
        assert change_balance(P_C).item() == pytest.approx(0.2925 - 0.16)
        # without the last pixel: (1.17 − 0.64)/3
        assert change_balance(P_C, LAST_INVALID).item() == pytest.approx(0.53 / 3)

    def test_equals_the_sum_of_log_ratios_it_was_reduced_from(self) -> None:
        p_c = random(6, 6).sigmoid()
        p_nc = 1 - p_c
        a = ((p_c * (p_c > p_nc)) ** 2).mean()
        b = ((p_nc * (p_c < p_nc)) ** 2).mean()
        ratio = torch.log(a.exp() / (a.exp() + b.exp())) - torch.log(b.exp() / (a.exp() + b.exp()))
        torch.testing.assert_close(change_balance(p_c), ratio)

    def test_gradient_is_exact_away_from_one_half(self) -> None:
        p_c = torch.tensor([[0.9, 0.2], [0.6, 0.3]], dtype=torch.float64, requires_grad=True)
        assert torch.autograd.gradcheck(lambda p: change_balance(p, LAST_INVALID), p_c)

    def test_invalid_pixels_reach_neither_value_nor_gradient(self) -> None:
        p_c = poisoned(P_C, LAST_INVALID).requires_grad_()
        loss = change_balance(p_c, LAST_INVALID)
        loss.backward()
        assert loss.item() == pytest.approx(0.53 / 3)
        assert p_c.grad[1, 1] == 0
