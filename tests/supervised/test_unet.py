"""The U-Net: what it reaches, whatever the size."""

from __future__ import annotations

import pytest
import torch

from metriccd.supervised.siamese import Siamese
from metriccd.supervised.unet import UNet, padded


@pytest.mark.parametrize("network", [UNet(2), Siamese()], ids=["unet", "siamese"])
def test_a_logit_depends_on_nothing_beyond_the_halo(network) -> None:
    torch.manual_seed(0)
    bands = 2 if isinstance(network, UNet) else 3
    side, at = 2 * network.halo + 64, network.halo + 17
    t1, t2 = torch.rand(2, 1, bands, side, 64).requires_grad_()
    t1, t2 = t1.detach().requires_grad_(), t2.detach().requires_grad_()
    network.eval()
    if isinstance(network, Siamese):
        # What it reaches is a matter of its kernels: no gradient passes a frozen encoder.
        with torch.no_grad():
            moved = t1.clone()
            moved[..., at + network.halo + 1 :, :] += 10
            before, after = network(t1, t2), network(moved, t2)
        assert torch.allclose(before[:, : at + 1], after[:, : at + 1], atol=1e-4)
        assert not torch.allclose(before[:, -1], after[:, -1])
        return
    network(t1, t2)[0, at, 20].backward()
    rows = t1.grad.abs().sum((0, 1, 3)).nonzero()[:, 0]
    assert at - rows.min() <= network.halo
    assert rows.max() - at <= network.halo
    assert rows.max() - rows.min() > network.halo


@pytest.mark.parametrize(("height", "width"), [(1, 1), (7, 33), (50, 16)])
def test_any_size_gives_a_logit_a_pixel(height: int, width: int) -> None:
    network = UNet(13).eval()
    t1, t2 = torch.rand(2, 1, 13, height, width)
    assert network(t1, t2).shape == (1, height, width)
    assert padded(t1, 8).shape[-2:] == (-(-height // 8) * 8, -(-width // 8) * 8)
