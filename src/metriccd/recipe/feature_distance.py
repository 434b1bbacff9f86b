"""Distance between the deep features of two dates, at full resolution."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn

from metriccd.nets import Size, autocast, cosine_distance, enlarge, on_cpu, on_device, place
from metriccd.scene import tiles
from metriccd.stages import Advance, Stages

# Side of the tiles.
TILE = Size(cpu=384, elsewhere=2048)
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
    height, width = dates.shape[-2:]
    count = sum(1 for _ in tiles((height, width), size=TILE.on(device), halo=0))
    with (stages or Stages()).stage("features", count) as advance:
        distances = level_distances(network, on_device(dates, device), advance)
    return distances.cpu().numpy()


def level_distances(
    network: nn.Module,
    dates: Float[Tensor, "2 3 row col"],
    advance: Advance = lambda _count: None,
) -> Float[Tensor, "level row col"]:
    """1 − cosine of two dates' features at every level of a network, tile by tile.

    Args:
        network: In evaluation mode, on the device of `dates`.
        dates: Both dates as the network expects them.
        advance: Called with 1 after each tile.
    """
    shape = (dates.shape[-2], dates.shape[-1])
    levels: Tensor | None = None
    with torch.inference_mode():
        for tile in tiles(shape, size=TILE.on(dates.device), halo=halo_of(network)):
            distances = _distances(network, dates[..., *tile.padded.slices])
            if levels is None:
                levels = distances.new_empty((len(distances), *shape))
            levels[:, *tile.core.slices] = distances[:, *tile.inner]
            advance(1)
    assert levels is not None
    return levels


def _distances(
    network: nn.Module, dates: Float[Tensor, "2 3 row col"]
) -> Float[Tensor, "level row col"]:
    """The same without tiles."""
    size = (dates.shape[-2], dates.shape[-1])
    # One date after the other: half the memory, and on a CPU what stays in its cache.
    batches = dates.chunk(2 if on_cpu(dates.device) else 1)
    with autocast(dates.device.type):
        maps = [network(batch.contiguous(memory_format=torch.channels_last)) for batch in batches]
    # Level by level, one date and the other, whether in one batch or in two.
    levels = (
        [date for batch in level for date in batch.chunk(len(batch))]
        for level in zip(*maps, strict=True)
    )
    return torch.cat([enlarge(cosine_distance(t1, t2), size) for t1, t2 in levels])


def halo_of(network: nn.Module) -> int:
    """Context that a tile needs, in pixels: a multiple of the network's stride."""
    stride = getattr(network, "stride", 1)
    reach = getattr(network, "halo", UNKNOWN_HALO) + ENLARGEMENT * stride
    return int(-(-reach // stride) * stride)
