from __future__ import annotations

import pytest
import torch
from torch import nn

from metriccd.nets.generators import (
    GENERATORS,
    Hourglass,
    ResNet,
    UNet,
    _Edged,
)

SMALL = {
    "resnet": lambda: ResNet(1, blocks=3, width=8),
    "unet": lambda: UNet(1, widths=(4, 6, 8)),
    "hourglass": lambda: Hourglass(1, width=8, depth=2),
}


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def parameters(net: nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


def test_resnet32_has_the_published_parameters_less_its_second_output_map() -> None:
    # published: 3 bands in, 2 maps out, 604,706; one map is 32 · 3 · 3 weights and a bias
    assert parameters(ResNet(3)) == 604_706 - (32 * 9 + 1)


@pytest.mark.parametrize("blocks", [4, 8, 16, 32, 64])
def test_each_residual_block_adds_two_convolutions_and_two_normalizations(blocks: int) -> None:
    rest = 864 + 64 + 9216 + 64 + 289
    assert parameters(GENERATORS[f"resnet{blocks}"](3)) == rest + blocks * (2 * 9216 + 2 * 64)


def test_a_convolution_repeats_the_edge_as_torch_does_and_in_the_type_of_its_image() -> None:
    torch.manual_seed(0)
    ours = _Edged(4, 8, bias=True)
    torchs = nn.Conv2d(4, 8, 3, padding=1, padding_mode="replicate")
    torchs.load_state_dict(ours.state_dict())
    image = noise(1, 4, 9, 7)
    assert torch.equal(ours(image), torchs(image))
    with torch.autocast("cpu", torch.bfloat16):
        half = ours(image.bfloat16())
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), torchs(image), rtol=0.03, atol=0.03)


@pytest.mark.parametrize("name", GENERATORS)
def test_every_generator_gives_one_finite_logit_a_pixel_and_trains(name: str) -> None:
    torch.manual_seed(0)
    net = GENERATORS[name](4)
    logit = net(noise(1, 4, 16, 17))
    assert logit.shape == (1, 16, 17)
    logit.square().mean().backward()
    gradients = [p.grad for p in net.parameters()]
    assert all(g is not None and torch.isfinite(g).all() for g in gradients)
    assert sum(float(g.abs().sum()) for g in gradients) > 0


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("size", [(16, 16), (31, 33)])
def test_any_size_from_16_pixels_keeps_its_shape(name: str, size: tuple[int, int]) -> None:
    assert SMALL[name]()(noise(2, 1, *size)).shape == (2, *size)


@pytest.mark.parametrize("name", SMALL)
def test_edges_are_not_set_apart_on_an_image_that_has_none(name: str) -> None:
    image = torch.full((1, 1, 40, 48), 0.7)
    torch.manual_seed(0)
    logit = SMALL[name]().eval()(image)
    # a constant image gives a constant logit: zero padding would draw a frame
    torch.testing.assert_close(logit, logit[:, :1, :1].expand_as(logit), rtol=0, atol=1e-5)


def test_seed_decides_the_parameters() -> None:
    def state(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return nn.utils.parameters_to_vector(GENERATORS["unet"](2).parameters())

    assert torch.equal(state(1), state(1))
    assert not torch.equal(state(1), state(2))
