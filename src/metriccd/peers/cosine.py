"""The plainest use of a frozen network: the angle between both dates' features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float32
from torch import nn

from metriccd.nets import on_device
from metriccd.pair import Block, UnitRange
from metriccd.peers.standard import only
from metriccd.recipe import halo_of, level_distances
from metriccd.scene import Fitted
from metriccd.storage import storable


def fit_cosine(
    parts: Sequence[Block],
    *,
    rgb: tuple[int, int, int],
    network: nn.Module,
    color_factor: int = 4,
) -> Fitted:
    """1 − cosine between both dates' features, the mean over the levels of a frozen network.

    Both dates are brought into one color (eq. 1–2 of Bandara & Patel) and to [0, 1] before. It is
    the baseline that benchmarks of frozen encoders print; nothing is smoothed, weighed or added.

    Args:
        parts: Windows that stand for a scene, with valid pixels.
        rgb: Bands that the network sees.
        network: (batch, 3, row, col) in [0, 1] → feature maps, one a level; on the device where
            windows are measured.
        color_factor: β of the color correction.

    Returns:
        What measures windows, in [0, 2].
    """
    colors = UnitRange.fit(parts, factor=color_factor)
    return Fitted(
        measure=FeatureCosine(colors=colors, rgb=rgb, network=network),
        merge=only,
        halo=halo_of(network),
        stride=int(getattr(network, "stride", 1)),
    )


@storable
@dataclass(frozen=True, kw_only=True)
class FeatureCosine:
    """The distance of features of a window.

    Attributes:
        colors: Brings both dates into one color, and to [0, 1].
        rgb: Bands that the network sees.
        network: The network.
    """

    colors: UnitRange
    rgb: tuple[int, int, int]
    network: nn.Module = field(repr=False)

    def __call__(self, block: Block) -> Float32[np.ndarray, "1 row col"]:
        """Of a window with its context."""
        device = str(next(self.network.parameters(), torch.empty(0)).device)
        dates = np.stack([date[list(self.rgb)] for date in self.colors(*block)])
        levels = level_distances(self.network, on_device(dates, device))
        image: Float32[np.ndarray, "1 row col"] = levels.mean(dim=0, keepdim=True).cpu().numpy()
        return image
