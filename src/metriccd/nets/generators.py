"""The deep change-probability generator (D-CPG, eq. 4): difference image to change logit.

Three architectures, as in Table II of the paper: ResNet with N residual blocks, U-Net and
hourglass. Each takes a difference image and returns one map of logits; the caller applies the
sigmoid, P_c = σ(logit), because the logit ranks pixels where the probability has saturated.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

# Beyond the edge the last row and column repeat. Zeros there shift the logits of the outer four
# pixels by up to 0.35 of their standard deviation (measured on noise, which has no edge of its
# own); repeating leaves under 0.1 and costs a tenth of a step's time and memory at most.
_EDGE: Final = "replicate"


class ChangeGenerator(nn.Module, ABC):
    """Abstract: a network from a difference image to a change logit.

    The parameters are drawn from torch's global generator: call `torch.manual_seed` before.
    """

    @abstractmethod
    def forward(
        self, difference: Float[Tensor, "batch band row col"]
    ) -> Float[Tensor, "batch row col"]:
        """Change logit of a difference image of any size; P_c is its sigmoid (eq. 4)."""


class _Edged(nn.Conv2d):
    """3×3 convolution of an image whose edges are repeated.

    The edges are copied in the type that the image has: torch's autocast would have the copy, and
    all of the image with it, in float32, and cast it back; a quarter of a step.
    """

    def __init__(self, inputs: int, outputs: int, *, bias: bool) -> None:
        super().__init__(inputs, outputs, 3, bias=bias)

    def forward(self, x: Float[Tensor, "batch width row col"]) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            edged = functional.pad(x, (1, 1, 1, 1), mode=_EDGE)
        return functional.conv2d(edged, self.weight, self.bias)


def _convolution(inputs: int, outputs: int) -> nn.Sequential:
    """3×3 convolution without bias (the normalization has one) and batch normalization."""
    return nn.Sequential(_Edged(inputs, outputs, bias=False), nn.BatchNorm2d(outputs))


def _activation() -> nn.LeakyReLU:
    return nn.LeakyReLU(0.2, inplace=True)


class _ResidualBlock(nn.Module):
    """x + BN(conv(LeakyReLU(BN(conv(x)))))."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _convolution(width, width), _activation(), _convolution(width, width)
        )

    def forward(self, x: Float[Tensor, "batch width row col"]) -> Tensor:
        residual: Tensor = self.body(x)
        return x + residual


class ResNet(ChangeGenerator):
    """Residual D-CPG: stem, N blocks, closing convolution with a skip from the stem, head.

    With three input bands, 32 blocks of 32 channels and two output maps this is the published
    network of 604,706 parameters; ours has one map, P_nc being 1 − P_c.

    Args:
        in_channels: bands of the difference image.
        blocks: N, the residual blocks (the paper tries 4, 8, 16, 32, 64 and keeps 32).
        width: channels of every hidden map.
    """

    def __init__(self, in_channels: int = 1, *, blocks: int = 32, width: int = 32) -> None:
        super().__init__()
        self.stem = nn.Sequential(_convolution(in_channels, width), _activation())
        self.blocks = nn.Sequential(*(_ResidualBlock(width) for _ in range(blocks)))
        self.closing = _convolution(width, width)
        self.head = _Edged(width, 1, bias=True)

    def forward(
        self, difference: Float[Tensor, "batch band row col"]
    ) -> Float[Tensor, "batch row col"]:
        """Change logit; see `ChangeGenerator`."""
        stem = self.stem(difference)
        logit: Tensor = self.head(stem + self.closing(self.blocks(stem)))
        return logit[:, 0]


class UNet(ChangeGenerator):
    """U-Net D-CPG: two convolutions a scale, max pooling down, skips and nearest upsampling up.

    After Ronneberger et al. 2015 (reference [40] of the paper), narrow: one image pair is all
    there is to fit.

    Args:
        in_channels: bands of the difference image.
        widths: channels of each scale, finest first; each scale halves the resolution.
    """

    def __init__(self, in_channels: int = 1, *, widths: tuple[int, ...] = (32, 48, 64, 64)) -> None:
        super().__init__()
        inputs = (in_channels, *widths[:-1])
        self.down = nn.ModuleList(
            _two_convolutions(a, b) for a, b in zip(inputs, widths, strict=True)
        )
        coarse_to_fine = zip(widths[:0:-1], widths[-2::-1], strict=True)
        self.up = nn.ModuleList(_two_convolutions(a + b, b) for a, b in coarse_to_fine)
        self.head = nn.Conv2d(widths[0], 1, 1)
        self._multiple = 2 ** (len(widths) - 1)

    def forward(
        self, difference: Float[Tensor, "batch band row col"]
    ) -> Float[Tensor, "batch row col"]:
        """Change logit; see `ChangeGenerator`."""
        rows, cols = difference.shape[-2:]
        x = self.down[0](_pad_to_multiple(difference, self._multiple))
        skips = []
        for convolutions in self.down[1:]:
            skips.append(x)
            x = convolutions(functional.max_pool2d(x, 2))
        for convolutions in self.up:
            x = convolutions(torch.cat([_double(x), skips.pop()], dim=1))
        logit: Tensor = self.head(x)
        return logit[:, 0, :rows, :cols]


def _two_convolutions(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        _convolution(inputs, outputs), _activation(), _convolution(outputs, outputs), _activation()
    )


def _double(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2, mode="nearest")


def _pad_to_multiple(x: Tensor, multiple: int) -> Tensor:
    """Repeat the last row and column, so that windows keep their place on the coarse grid."""
    rows, cols = x.shape[-2:]
    return functional.pad(x, (0, -cols % multiple, 0, -rows % multiple), mode=_EDGE)


class _Bottleneck(nn.Module):
    """The hourglass's residual module: 1×1 to half the width, 3×3, 1×1 back, activated first."""

    def __init__(self, width: int) -> None:
        super().__init__()
        half = width // 2
        self.body = nn.Sequential(
            *(nn.BatchNorm2d(width), _activation()),
            nn.Conv2d(width, half, 1, bias=False),
            *(nn.BatchNorm2d(half), _activation()),
            _Edged(half, half, bias=False),
            *(nn.BatchNorm2d(half), _activation()),
            nn.Conv2d(half, width, 1, bias=False),
        )

    def forward(self, x: Float[Tensor, "batch width row col"]) -> Tensor:
        residual: Tensor = self.body(x)
        return x + residual


class _Recursion(nn.Module):
    """One scale of the hourglass: a branch at this scale plus everything below, brought back."""

    def __init__(self, depth: int, width: int) -> None:
        super().__init__()
        self.branch = _Bottleneck(width)
        self.before = _Bottleneck(width)
        self.below = _Recursion(depth - 1, width) if depth > 1 else _Bottleneck(width)
        self.after = _Bottleneck(width)

    def forward(self, x: Float[Tensor, "batch width row col"]) -> Tensor:
        below = self.after(self.below(self.before(functional.max_pool2d(x, 2))))
        branch: Tensor = self.branch(x)
        return branch + _double(below)


class Hourglass(ChangeGenerator):
    """Hourglass D-CPG: one hourglass of residual modules, after Newell et al. 2016 (ref. [33]).

    Args:
        in_channels: bands of the difference image.
        width: channels of every map; the 3×3 convolutions work on half of them.
        depth: times the resolution is halved.
    """

    def __init__(self, in_channels: int = 1, *, width: int = 64, depth: int = 4) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            _convolution(in_channels, width), _activation(), _Bottleneck(width)
        )
        self.hourglass = _Recursion(depth, width)
        self.head = nn.Sequential(
            _Bottleneck(width), nn.BatchNorm2d(width), _activation(), nn.Conv2d(width, 1, 1)
        )
        self._multiple = 2**depth

    def forward(
        self, difference: Float[Tensor, "batch band row col"]
    ) -> Float[Tensor, "batch row col"]:
        """Change logit; see `ChangeGenerator`."""
        rows, cols = difference.shape[-2:]
        x = self.stem(_pad_to_multiple(difference, self._multiple))
        logit: Tensor = self.head(self.hourglass(x))
        return logit[:, 0, :rows, :cols]


GENERATORS: dict[str, Callable[[int], ChangeGenerator]] = {
    "resnet4": partial(ResNet, blocks=4),
    "resnet8": partial(ResNet, blocks=8),
    "resnet16": partial(ResNet, blocks=16),
    "resnet32": partial(ResNet, blocks=32),
    "resnet64": partial(ResNet, blocks=64),
    "unet": UNet,
    "hourglass": Hourglass,
}
"""Name to constructor, each called with the number of bands of the difference image."""
