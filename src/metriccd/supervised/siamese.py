"""SeCo's set-up (Mañas et al. 2021): one frozen ResNet-18 sees each date, a decoder the difference.

The encoder's parameters have the names of torchvision's ResNet, so that published weights fit; it
needs no torchvision.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from metriccd.supervised.unet import padded

# Channels of what the decoder sees: the first convolution and the four stages.
WIDTHS = (64, 64, 128, 256, 512)
DROPOUT = 0.3
STRIDE = 32


class BasicBlock(nn.Module):
    """Two 3×3 convolutions and the way around them (He et al. 2016)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample: nn.Module | None = None
        if stride > 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Float[Tensor, "batch _ _ _"]) -> Float[Tensor, "batch _ _ _"]:
        """Features at the resolution of the input, or half of it."""
        around = x if self.downsample is None else self.downsample(x)
        x = functional.relu(self.bn1(self.conv1(x)), inplace=True)
        return functional.relu(self.bn2(self.conv2(x)) + around, inplace=True)


class ResNet18(nn.Module):
    """ResNet-18 without its classifier: five maps, at a half to a thirty-second of the image."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, WIDTHS[0], 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(WIDTHS[0])
        for stage, (inputs, outputs) in enumerate(pairwise(WIDTHS), 1):
            first = BasicBlock(inputs, outputs, 1 if stage == 1 else 2)
            self.add_module(f"layer{stage}", nn.Sequential(first, BasicBlock(outputs, outputs, 1)))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(
        self, rgb: Float[Tensor, "batch 3 row col"]
    ) -> tuple[Float[Tensor, "batch _ _ _"], ...]:
        """What the first convolution and each stage give."""
        first = self.conv1(rgb)
        x = functional.max_pool2d(functional.relu(self.bn1(first)), 3, 2, 1)
        maps = [first]
        for stage in range(1, len(WIDTHS)):
            x = self.get_submodule(f"layer{stage}")(x)
            maps.append(x)
        return tuple(maps)


class Siamese(nn.Module):
    """Differences of features at five depths, decoded from the deepest on to logits of change.

    Attributes:
        encoder: Frozen: its weights do not learn. In training its normalization follows the
            images, as in the released code; of random weights it would scale nothing otherwise.
        stride: As of a `UNet`.
        halo: Likewise.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stride = STRIDE
        # Down: a 7×7 convolution, the pooling, four 3×3 convolutions a stage; up: two a level.
        down = 3 + 2 + 4 * 4 + (4 + 3 * 8) + (8 + 3 * 16) + (16 + 3 * 32)
        up = 2 * (16 + 8 + 4 + 2)
        self.halo = math.ceil((down + up + STRIDE - 1) / STRIDE) * STRIDE
        self.encoder = ResNet18().requires_grad_(False)
        steps = list(pairwise(WIDTHS))[::-1]
        self.shrink = nn.ModuleList(nn.Conv2d(deep, fine, 3, padding=1) for fine, deep in steps)
        self.join = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(2 * fine, fine, 3, padding=1, bias=False),
                nn.BatchNorm2d(fine),
                nn.ReLU(inplace=True),
                nn.Dropout2d(DROPOUT),
            )
            for fine, _ in steps
        )
        self.head = nn.Conv2d(WIDTHS[0], 1, 1)

    def forward(
        self, t1: Float[Tensor, "batch 3 row col"], t2: Float[Tensor, "batch 3 row col"]
    ) -> Float[Tensor, "batch row col"]:
        """Logits of change of images in [0, 1] of any size."""
        height, width = t1.shape[-2:]
        with torch.no_grad():
            maps = self.encoder(padded(torch.cat([t1, t2]), self.stride))
        differences = [torch.sub(*each.chunk(2)).abs() for each in maps]
        x = differences[-1]
        for shrink, join, fine in zip(self.shrink, self.join, differences[-2::-1], strict=True):
            x = shrink(functional.interpolate(x, scale_factor=2.0, mode="nearest"))
            x = join(torch.cat([x, fine], 1))
        # A point of the head sees one pixel: enlarged after it, the result is the same.
        logit = functional.interpolate(self.head(x), scale_factor=2.0, mode="nearest")
        return logit[:, 0, :height, :width].float()
