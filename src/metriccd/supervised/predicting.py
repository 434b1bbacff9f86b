"""A checkpoint as a method: whole scenes of any size, by overlapping windows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import nn

from metriccd.errors import DataError
from metriccd.nets import autocast, on_device, place
from metriccd.pair import Block, Source, three
from metriccd.scene import Fitted
from metriccd.stages import Stages
from metriccd.storage import storable
from metriccd.supervised.checkpoint import About, load_checkpoint
from metriccd.supervised.scaling import Ranges, Standard

# More pixels than this share lie far out of the values a checkpoint was trained on: it is said.
FAR = 0.5


@storable
@dataclass(frozen=True)
class _Predicted:
    """The probability of change in a window.

    Attributes:
        network: Of the checkpoint.
        bands: Those of the pair that it takes, in order.
        t1: Scales the first date.
        t2: Scales the second one.
        device: Where to compute.
    """

    network: nn.Module
    bands: tuple[int, ...]
    t1: Standard | Ranges
    t2: Standard | Ranges
    device: str

    def __call__(self, block: Block) -> Float32[np.ndarray, "1 row col"]:
        dates = [
            on_device(scaled(image[list(self.bands)], block.valid)[None], self.device)
            for scaled, image in ((self.t1, block.t1), (self.t2, block.t2))
        ]
        with torch.inference_mode(), autocast(self.device):
            logit = self.network(*dates)
        found: Float32[np.ndarray, "1 row col"] = torch.sigmoid(logit.float()).cpu().numpy()
        return found


@storable
def _probability(components: Float[np.ndarray, "1 row col"]) -> Float[np.ndarray, "row col"]:
    """The component that there is."""
    image: Float[np.ndarray, "row col"] = components[0]
    return image


def placed_network(path: Path, device: str) -> nn.Module:
    """The network of a checkpoint where it computes."""
    return place(load_checkpoint(path).network, device)


def fit_supervised(
    source: Source,
    path: Path,
    *,
    method: str,
    rgb: tuple[int, int, int],
    device: str,
    stages: Stages,
) -> Fitted:
    """Scales a scene as a checkpoint expects it; nothing is learned from it.

    Args:
        source: The pair.
        path: The checkpoint.
        method: What it must have been trained as.
        rgb: Red, green and blue of the pair, which checkpoints of three bands take.
        device: Where to compute.
        stages: Records time.

    Raises:
        WeightsError: The checkpoint cannot be read, or is one of another method.
        DataError: The pair has not as many bands as the checkpoint takes.
    """
    checkpoint = load_checkpoint(path, method)
    about, network = checkpoint.about, checkpoint.network
    with stages.stage("difference"):
        bands = _bands(about, rgb, len(next(iter(source)).t1))
        warnings = [about.sentence]
        t1: Standard | Ranges
        t2: Standard | Ranges
        if about.scaling is None:
            t1, t2 = (
                Standard.of((block[date][list(bands)], block.valid) for block in source)
                for date in (0, 1)
            )
        else:
            t1 = t2 = about.scaling
            warnings += _far(source, bands, about.scaling)
    return Fitted(
        measure=_Predicted(place(network, device), bands, t1, t2, device),
        merge=_probability,
        halo=network.halo,
        stride=network.stride,
        probability=True,
        warnings=tuple(warnings),
    )


def _bands(about: About, rgb: tuple[int, int, int], count: int) -> tuple[int, ...]:
    """Those of a pair that a checkpoint takes, in its order."""
    wanted = len(about.bands)
    if wanted == 3:
        return three(rgb, count)
    if wanted != count:
        raise DataError(
            f"the pair must have the {wanted} bands of the checkpoint ({', '.join(about.bands)}): "
            f"got {count}; choose them with --bands"
        )
    return tuple(range(count))


def _far(source: Source, bands: tuple[int, ...], ranges: Ranges) -> list[str]:
    """A warning where most pixels are nothing like those that a checkpoint was trained on."""
    beyond = valid = 0
    for block in source:
        for image in (block.t1, block.t2):
            beyond += ranges.beyond(image[list(bands)], block.valid)
            valid += int(block.valid.sum())
    if beyond <= FAR * valid:
        return []
    told = ", ".join(
        f"{low:g} to {high:g}" for low, high in zip(ranges.low, ranges.high, strict=True)
    )
    return [
        f"{beyond / valid:.0%} of the pixels lie far out of the values that the checkpoint was "
        f"trained on ({told}): bring the images into that range"
    ]
