"""Distance between the deep features of two dates, at full resolution, tile by tile."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import nn

from metriccd.nets.metric import cosine_distance, enlarge
from metriccd.nets.precision import autocast, place
from metriccd.raster import Window
from metriccd.stages import Stages
from metriccd.tiling import map_tiles

TILE = 512
# Halo of extractors that do not say theirs, and the bilinear enlargement's reach in cells.
UNKNOWN_HALO, ENLARGEMENT = 30, 1


def feature_distances(
    t1: Float[np.ndarray, "band row col"],
    t2: Float[np.ndarray, "band row col"],
    *,
    rgb: tuple[int, int, int],
    extractor: nn.Module,
    device: str = "cpu",
    stages: Stages | None = None,
) -> Float32[np.ndarray, "level row col"]:
    """1 − cosine of the two dates' features at every level.

    Args:
        t1: First image, in the range the extractor expects.
        t2: Second image.
        rgb: Bands that the extractor sees.
        extractor: (batch, 3, row, col) → feature maps, one a level.
        device: Where to compute.
        stages: Records time and reports progress.
    """
    dates = np.stack([t1[list(rgb)], t2[list(rgb)]])
    network = place(extractor, device).eval()
    halo = halo_of(network)
    height, width = dates.shape[-2:]
    with torch.inference_mode():
        predict = _predictor(dates, network, device)
        corner = Window(row=0, col=0, height=min(height, halo), width=min(width, halo))
        levels = len(predict(corner))
        count = -(-height // TILE) * -(-width // TILE)
        with (stages or Stages()).stage("features", count) as advance:
            return map_tiles(
                predict, (height, width), channels=levels, size=TILE, halo=halo, advance=advance
            )


def halo_of(network: nn.Module) -> int:
    """Context that a tile needs, in pixels: a multiple of the network's stride."""
    stride = getattr(network, "stride", 1)
    reach = getattr(network, "halo", UNKNOWN_HALO) + ENLARGEMENT * stride
    return int(-(-reach // stride) * stride)


def _predictor(
    dates: Float[np.ndarray, "2 3 row col"], network: nn.Module, device: str
) -> Callable[[Window], Float32[np.ndarray, "level _row _col"]]:
    def predict(window: Window) -> Float32[np.ndarray, "level _row _col"]:
        part = torch.from_numpy(dates[..., *window.slices].copy()).to(device)
        size = (window.height, window.width)
        with autocast(device):
            levels = network(part.contiguous(memory_format=torch.channels_last))
        maps = [cosine_distance(level[:1], level[1:]) for level in levels]
        return torch.cat([enlarge(each, size) for each in maps]).cpu().numpy()

    return predict
