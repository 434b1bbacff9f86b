"""1 − cosine of two dates' features, and the gradient that is written out for training."""

from __future__ import annotations

import pytest
import torch

from metriccd.nets import cosine
from metriccd.nets.cosine import NOTHING, cosine_distance, pair_distances
from metriccd.nets.precision import Size


def reference(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """The same distance, plain."""
    one, other = (
        torch.nn.functional.pad(each.float(), (0, 0, 0, 0, 0, 1), value=NOTHING)
        for each in (one, other)
    )
    norms = one.square().sum(dim=1) * other.square().sum(dim=1)
    return (1 - (one * other).sum(dim=1) * norms.rsqrt()).clamp(min=0)


def features(dtype: torch.dtype = torch.float32) -> torch.Tensor:
    random = torch.Generator().manual_seed(0)
    made = torch.randn(6, 8, 5, 7, generator=random).relu_()
    made[3, :, 0] = made[0, :, 0]  # the same in both dates
    made[:, :, 1, 1] = 0
    return made.to(dtype).contiguous(memory_format=torch.channels_last).requires_grad_()


def test_the_distance_is_one_less_the_cosine() -> None:
    one, other = 100 * torch.rand(2, 1, 8, 5, 5)
    expected = 1 - torch.nn.functional.cosine_similarity(one, other, dim=1)
    torch.testing.assert_close(cosine_distance(one, other), expected, atol=1e-4, rtol=0)


def test_a_distance_of_nothing_from_nothing_is_zero_with_a_finite_gradient() -> None:
    nothing = torch.zeros(2, 4, 2, 2, requires_grad=True)
    distance = pair_distances(nothing)
    distance.sum().backward()
    assert distance.abs().max() < 1e-6
    assert nothing.grad is not None
    assert torch.isfinite(nothing.grad).all()


@pytest.mark.parametrize("part", [1, 20, 2**18])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=str)
def test_the_distance_does_not_depend_on_parts_or_layout(
    part: int, layout: torch.memory_format, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cosine, "PART", Size(cpu=part, elsewhere=part))
    given = features().detach().contiguous(memory_format=layout)
    expected = reference(given[:3], given[3:])
    torch.testing.assert_close(cosine_distance(given[:3], given[3:]), expected)
    torch.testing.assert_close(pair_distances(given), expected)


@pytest.mark.parametrize("part", [20, 2**18])
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 1e-2)], ids=str
)
def test_the_gradient_written_out_is_that_of_the_distance(
    dtype: torch.dtype, tolerance: float, part: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cosine, "PART", Size(cpu=part, elsewhere=part))
    slow, fast = features(dtype), features(dtype)
    weights = torch.randn(3, 5, 7, generator=torch.Generator().manual_seed(1))
    expected = reference(slow[:3], slow[3:])
    found = pair_distances(fast)
    torch.testing.assert_close(found, expected)
    (expected * weights).sum().backward()
    (found * weights).sum().backward()
    # Where both dates are the same the distance is 0 or a rounding error below it, cut to 0.
    differ = (expected > 1e-6).repeat(2, 1, 1)[:, None]
    assert slow.grad is not None
    assert fast.grad is not None
    torch.testing.assert_close(
        (fast.grad * differ).float(), (slow.grad * differ).float(), atol=tolerance, rtol=tolerance
    )


def test_the_gradient_keeps_type_and_order_of_bytes() -> None:
    given = features(torch.bfloat16)
    pair_distances(given).sum().backward()
    assert given.grad is not None
    assert given.grad.dtype == torch.bfloat16
    assert given.grad.stride() == given.stride()
