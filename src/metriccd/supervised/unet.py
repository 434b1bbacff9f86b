"""The early-fusion U-Net: both dates as one image, after FC-EF of Daudt et al. 2018."""

from __future__ import annotations

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

# Channels at each resolution, the finest first: FC-EF's.
WIDTHS = (16, 32, 64, 128)
DROPOUT = 0.2


class UNet(nn.Module):
    """Two convolutions a level, halved and doubled resolution, and the way across.

    Args:
        bands: Of each date.
        widths: Channels at each resolution, the finest first.

    Attributes:
        stride: Pixels. A window gives the logits of the whole image if it starts at a multiple of
            it, `halo` pixels away from the window's edges.
        halo: Pixels. A logit depends on no input pixel further away than this, rounded up to a
            multiple of `stride`.
    """

    def __init__(self, bands: int, widths: tuple[int, ...] = WIDTHS) -> None:
        super().__init__()
        self.stride = 2 ** (len(widths) - 1)
        # Two 3×3 convolutions at each level down, and at each but the deepest one up again.
        reach = 2 * (2 * self.stride - 1) + 2 * (self.stride - 1)
        self.halo = -(-(reach + self.stride - 1) // self.stride) * self.stride
        self.down = nn.ModuleList(
            _double(inputs, outputs) for inputs, outputs in pairwise((2 * bands, *widths))
        )
        steps = list(pairwise(widths))[::-1]
        self.enlarge = nn.ModuleList(nn.ConvTranspose2d(deep, fine, 2, 2) for fine, deep in steps)
        self.up = nn.ModuleList(_double(2 * fine, fine) for fine, _ in steps)
        self.head = nn.Conv2d(widths[0], 1, 1)

    def forward(
        self, t1: Float[Tensor, "batch band row col"], t2: Float[Tensor, "batch band row col"]
    ) -> Float[Tensor, "batch row col"]:
        """Logits of change of standardized images of any size."""
        height, width = t1.shape[-2:]
        x = padded(torch.cat([t1, t2], 1), self.stride)
        across: list[Tensor] = []
        for level, block in enumerate(self.down):
            x = block(x if level == 0 else functional.max_pool2d(x, 2))
            across.append(x)
        for enlarge, block, fine in zip(self.enlarge, self.up, across[-2::-1], strict=True):
            x = block(torch.cat([enlarge(x), fine], 1))
        logit: Tensor = self.head(x)[:, 0, :height, :width].float()
        return logit


def padded(
    image: Float[Tensor, "batch band _row _col"], stride: int
) -> Float[Tensor, "batch band row col"]:
    """An image with zeros below and on the right, up to multiples of `stride`."""
    height, width = image.shape[-2:]
    return functional.pad(image, (0, -width % stride, 0, -height % stride))


def _double(inputs: int, outputs: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (inputs, outputs):
        layers += [
            nn.Conv2d(channels, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
            nn.Dropout2d(DROPOUT),
        ]
    return nn.Sequential(*layers)
