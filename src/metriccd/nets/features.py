"""The deep feature extractor (D-FE, section III-D of the paper): RGB to multi-level features.

VGG-16 levels 1 to 4 are the maps after relu1_2, relu2_2, relu3_3 and relu4_3; the paper settles
on levels 1 and 2. Every extractor is a module from RGB in [0, 1] to a tuple of maps, so any
module of that kind can take its place.
"""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from metriccd.errors import WeightsError
from metriccd.nets import efficientnet, weights
from metriccd.nets.embedded import LEVELS, embedded
from metriccd.nets.weight_files import (
    IMAGENET_RGB,
    VGG16_CONVOLUTIONS,
    Preprocessing,
    Weights,
    read,
)

# What the paper settles on (Table IV).
PAPER_LEVELS = (1, 2)


class Vgg16(nn.Module):
    """VGG-16 up to the deepest level asked for, with fixed-seed random weights.

    Kernels are drawn as He et al. 2015 do (normal, fan-in, ReLU gain), biases are zero. The draw
    uses a generator of its own, in the order of the layers: one seed gives the same level 1
    whatever levels are asked for, and torch's global generator is untouched.

    Args:
        levels: which feature maps to return, in increasing order, of 1 to 4.
        preprocessing: what the weights expect of their input.
        seed: of the random weights.

    Attributes:
        halo: pixels. A feature depends on no input pixel further away than this (rows or
            columns) from any pixel it stands for.
        stride: pixels. A window gives the features of the whole image if it starts at a multiple
            of `stride`, `halo` pixels away from the window's edges.

    Raises:
        ValueError: levels are not increasing numbers of 1 to 4.
    """

    def __init__(
        self,
        levels: tuple[int, ...] = (1, 2),
        *,
        preprocessing: Preprocessing = IMAGENET_RGB,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if not levels or not set(levels) <= {1, 2, 3, 4} or list(levels) != sorted(set(levels)):
            raise ValueError(f"levels must be increasing numbers of 1 to 4: got {levels}")
        self.levels = levels
        self.preprocessing = preprocessing
        shape = (1, 3, 1, 1)
        self.register_buffer("mean", torch.tensor(preprocessing.mean).view(shape), False)
        self.register_buffer("std", torch.tensor(preprocessing.std).view(shape), False)
        used = [layer for layer in VGG16_CONVOLUTIONS if layer.level <= max(levels)]
        generator = torch.Generator().manual_seed(seed)
        self.convolutions = nn.ModuleDict(
            {layer.name: _he_convolution(layer.inputs, layer.outputs, generator) for layer in used}
        )
        self.stride = 2 ** (max(levels) - 1)
        # Each convolution adds one cell of its level; a cell's own pixels add stride − 1.
        self.halo = sum(2 ** (layer.level - 1) for layer in used) + self.stride - 1

    def forward(
        self, rgb: Float[Tensor, "batch 3 row col"]
    ) -> tuple[Float[Tensor, "batch _ _ _"], ...]:
        """Feature maps of the asked levels.

        Args:
            rgb: RGB in [0, 1], whatever order and range the weights were trained with.

        Returns:
            One map a level, (batch, 64 · 2^(level−1) or 512 at most, row, col), each level at
            half the rows and columns (rounded down) of the one before.
        """
        x = self._preprocess(rgb)
        maps = []
        for level, layers in groupby(VGG16_CONVOLUTIONS, key=lambda layer: layer.level):
            if level > 1:
                x = functional.max_pool2d(x, 2)
            for layer in layers:
                x = functional.relu(self.convolutions[layer.name](x), inplace=True)
            if level in self.levels:
                maps.append(x)
            if level == self.levels[-1]:
                break
        return tuple(maps)

    def _preprocess(self, rgb: Tensor) -> Tensor:
        ordered = rgb if self.preprocessing.order == "rgb" else rgb.flip(1)
        scaled = ordered * self.preprocessing.scale
        return (scaled - self.get_buffer("mean")) / self.get_buffer("std")


def load_extractor(
    source: str | Path | nn.Module, levels: tuple[int, ...] | None = None
) -> nn.Module:
    """An extractor by name, from a file, or as given.

    Args:
        source: "embedded" (three levels, trained by this project: needs no download);
            "efficientnet-lite0" (three levels, ImageNet, the extra `imagenet`); a name in the
            weights table, such as "vgg16"; a path to a .safetensors or .npz file; or
            any module from (batch, 3, row, col) in [0, 1] to a tuple of maps, returned as it is.
        levels: levels to return; by default all of "embedded", and 1 and 2 of VGG-16. Those of
            EfficientNet are always all three.

    Returns:
        A module in evaluation mode; its parameters can be trained (freeze them with
        `requires_grad_(False)`).

    Raises:
        ValueError: levels are not increasing numbers of 1 to 4.
        WeightsError: unknown or missing weights, or weights without the levels asked for.
    """
    if isinstance(source, nn.Module):
        return source
    if source == "embedded":
        if levels is not None and max(levels) > max(LEVELS):
            raise WeightsError(
                f"extractor embedded must hold level {max(levels)}: it has levels 1 to "
                f"{max(LEVELS)}; ask for fewer levels, or take vgg16"
            )
        return embedded(LEVELS if levels is None else levels)
    if source == efficientnet.PACKAGED:
        return efficientnet.efficientnet_lite0()
    levels = PAPER_LEVELS if levels is None else levels
    stored = weights.load(str(source)) if str(source) in weights.WEIGHTS else _read(Path(source))
    net = Vgg16(levels, preprocessing=stored.preprocessing)
    if max(levels) > max(stored.levels):
        raise WeightsError(
            f"extractor {source} must hold level {max(levels)}: got levels 1 to "
            f"{max(stored.levels)}; ask for fewer levels, or run 'metriccd weights fetch vgg16'"
        )
    net.convolutions.load_state_dict(
        {name: stored.tensors[name] for name in net.convolutions.state_dict()}
    )
    return net.eval()


def _read(path: Path) -> Weights:
    if not path.exists():
        names = ", ".join(("embedded", efficientnet.PACKAGED, *weights.WEIGHTS))
        raise WeightsError(f"extractor must be {names} or a weights file: got {path}")
    return read(path)


def _he_convolution(inputs: int, outputs: int, generator: torch.Generator) -> nn.Conv2d:
    # Made without values first: torch's own initialization would draw from the global generator.
    convolution = nn.Conv2d(inputs, outputs, 3, padding=1, device="meta").to_empty(device="cpu")
    nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu", generator=generator)
    nn.init.zeros_(convolution.get_parameter("bias"))
    return convolution
