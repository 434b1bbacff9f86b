"""The embedded feature extractor: small, self-trained.

Three levels like VGG-16's first ones (full, half and quarter resolution), with a third of the
arithmetic. `training/extractor.py` in the repository made the weights, without labels.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from importlib import resources

import torch
from jaxtyping import Float
from safetensors.torch import load
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

WIDTHS = (32, 64, 96)
LEVELS = tuple(range(1, len(WIDTHS) + 1))
FILE = "extractor.safetensors"
# Standardized scenes have this mean and standard deviation: most values lie in [0, 1].
MEAN, SPREAD = 0.3, 0.15
# Distances are averaged over as many pixels before they are read out.
WINDOW = 5


class Readout(nn.Module):
    """From distances at every level to the logit of change: a·log Σ_l w_l d_l + b."""

    def __init__(self, levels: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(2.0))
        self.bias = nn.Parameter(torch.tensor(3.0))
        self.shares = nn.Parameter(torch.zeros(levels))

    def forward(
        self, distances: Sequence[Float[Tensor, "batch _ _"]], size: tuple[int, int]
    ) -> Float[Tensor, "batch row col"]:
        """Logits at full resolution."""
        total = torch.zeros((), device=distances[0].device)
        for distance, share in zip(distances, torch.softmax(self.shares, 0), strict=True):
            total = total + share * enlarge(distance, size)
        margin = WINDOW // 2
        padded = functional.pad(total[:, None], (margin,) * 4, mode="replicate")
        mean = functional.avg_pool2d(padded, WINDOW, 1)[:, 0]
        logit: Tensor = self.gain * torch.log(mean + 1e-4) + self.bias
        return logit


class MetricExtractor(nn.Module):
    """Two 3×3 convolutions a level, batch-normalized; halved resolution from level to level.

    Args:
        levels: Which feature maps to return, in increasing order, of 1 to 3.

    Attributes:
        readout: What the weights were trained with.

    Raises:
        ValueError: `levels` are not increasing numbers of 1 to 3.
    """

    def __init__(self, levels: tuple[int, ...] = LEVELS) -> None:
        super().__init__()
        if not levels or not set(levels) <= set(LEVELS) or list(levels) != sorted(set(levels)):
            raise ValueError(f"levels must be increasing numbers of 1 to 3: got {levels}")
        self.levels = levels
        inputs = (3, *WIDTHS)
        self.blocks = nn.ModuleList(
            nn.Sequential(*_convolution(inputs[level], width), *_convolution(width, width))
            for level, width in enumerate(WIDTHS[: max(levels)])
        )
        self.readout = Readout(len(levels))

    def forward(
        self, rgb: Float[Tensor, "batch 3 row col"]
    ) -> tuple[Float[Tensor, "batch _ _ _"], ...]:
        """Feature maps of the asked levels, (batch, 32 · level, row, col) each.

        Args:
            rgb: RGB in [0, 1], best standardized to mean 0.3 and standard deviation 0.15.
        """
        x = (rgb - MEAN) / SPREAD
        maps = []
        for level, block in enumerate(self.blocks, start=1):
            x = block(halve(x) if level > 1 else x)
            if level in self.levels:
                maps.append(x)
        return tuple(maps)

    @property
    def stride(self) -> int:
        """Pixels: windows that start at multiples of it give the features of the whole image."""
        return int(2 ** (max(self.levels) - 1))

    @property
    def halo(self) -> int:
        """Pixels: a feature depends on no input pixel further away than this."""
        return int(sum(2 * 2**level for level in range(max(self.levels))) + self.stride - 1)

    def folded(self, levels: tuple[int, ...] | None = None) -> MetricExtractor:
        """A copy for evaluation whose normalization layers are folded into the convolutions.

        Args:
            levels: Which feature maps it returns; all that this one does, by default.
        """
        network = copy.deepcopy(self).eval()
        network.levels = levels or self.levels
        network.blocks = network.blocks[: max(network.levels)]
        for block in network.blocks:
            assert isinstance(block, nn.Sequential)
            for index, layer in enumerate(block):
                previous = block[index - 1]
                if isinstance(layer, nn.BatchNorm2d) and isinstance(previous, nn.Conv2d):
                    block[index - 1] = fuse_conv_bn_eval(previous, layer)
                    block[index] = nn.Identity()
        return network


def embedded(levels: tuple[int, ...] = LEVELS) -> MetricExtractor:
    """The extractor with the weights that come with the package, in evaluation mode."""
    state = load(resources.files("metriccd.nets").joinpath(FILE).read_bytes())
    with torch.random.fork_rng(devices=[]):  # torch draws weights from the global generator first
        net = MetricExtractor(levels)
    if levels != LEVELS:  # the readout is for all of them
        state |= {f"readout.{name}": value for name, value in net.readout.state_dict().items()}
    net.load_state_dict({name: state[name] for name in net.state_dict()})
    return net.eval()


def halve(
    maps: Float[Tensor, "batch channel row col"],
) -> Float[Tensor, "batch channel _row _col"]:
    """Maxima over 2 × 2 pixels, rows and columns halved, rounded down.

    `max_pool2d` computes indices, which only gradients need, and takes eight times as long.
    """
    if maps.requires_grad:
        return functional.max_pool2d(maps, 2)
    height, width = (side // 2 * 2 for side in maps.shape[-2:])
    rows = torch.maximum(maps[:, :, 0:height:2, :width], maps[:, :, 1:height:2, :width])
    return torch.maximum(rows[..., 0::2], rows[..., 1::2])


def enlarge(
    maps: Float[Tensor, "batch _ _"], size: tuple[int, int]
) -> Float[Tensor, "batch row col"]:
    """Maps at full resolution, bilinear.

    Maps that were halved k times, rounded down, are enlarged 2ᵏ times and their last pixels
    repeated: stretched to `size`, a window's maps would not lie where the whole image's do.
    """
    if maps.shape[-2:] == size:
        return maps
    rows, cols = maps.shape[-2:]
    factor = 2 ** round(math.log2(size[0] / rows))
    missing = size[0] - factor * rows, size[1] - factor * cols
    if not all(0 <= rest < factor for rest in missing):  # not made by halving
        return functional.interpolate(maps[:, None], size=size, mode="bilinear")[:, 0]
    full = functional.interpolate(maps[:, None], scale_factor=factor, mode="bilinear")
    if any(missing):
        full = functional.pad(full, (0, missing[1], 0, missing[0]), mode="replicate")
    return full[:, 0]


def _convolution(inputs: int, outputs: int) -> list[nn.Module]:
    return [
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    ]
