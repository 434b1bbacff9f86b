"""SeCo's set-up: the encoder is a ResNet-18 as everybody names it, and it never learns."""

from __future__ import annotations

import torch

from metriccd.supervised.siamese import ResNet18, Siamese


def test_the_names_and_shapes_are_those_of_published_resnets() -> None:
    shapes = {name: tuple(value.shape) for name, value in ResNet18().state_dict().items()}
    # ResNet-18 has 11,689,512 parameters with the classifier of 1,000 classes, 513,000 of them.
    assert sum(value.numel() for value in ResNet18().parameters()) == 11_689_512 - 513_000
    assert shapes["conv1.weight"] == (64, 3, 7, 7)
    assert shapes["layer1.1.conv2.weight"] == (64, 64, 3, 3)
    assert shapes["layer2.0.downsample.0.weight"] == (128, 64, 1, 1)
    assert shapes["layer4.1.bn2.running_var"] == (512,)
    assert "layer1.0.downsample.0.weight" not in shapes


def test_alike_dates_give_the_same_logit_everywhere_and_order_does_not_matter() -> None:
    torch.manual_seed(0)
    network = Siamese().eval()
    one, other = torch.rand(2, 1, 3, 96, 96)
    still = network(one, one)
    inner = still[..., 40:56, 40:56]
    assert torch.allclose(inner, inner.mean().expand_as(inner), atol=1e-5)
    assert torch.allclose(network(one, other), network(other, one), atol=1e-5)
    assert network(one, other).std() > still.std()


def test_the_encoder_learns_nothing_but_its_normalization_while_the_decoder_learns() -> None:
    torch.manual_seed(0)
    network = Siamese().train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    learned = [each for each in network.parameters() if each.requires_grad]
    network(*torch.rand(2, 2, 3, 64, 64)).sum().backward()
    torch.optim.Adam(learned).step()
    for name, value in network.state_dict().items():
        if name.startswith("encoder.") and "running" not in name and "num_batches" not in name:
            assert torch.equal(value, before[name]), name
    seen = "encoder.bn1.running_var"
    assert not torch.equal(network.state_dict()[seen], before[seen])
    assert not torch.equal(network.head.weight, before["head.weight"])
