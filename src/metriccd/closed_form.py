"""Closed-form deep score: feature and spectral distances, smoothed; no fitting."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy import ndimage
from torch import Tensor, nn
from torch.nn import functional

from metriccd.raster import Window
from metriccd.stages import Stages
from metriccd.tiling import map_tiles

TILE = 512
# Reach of VGG-16 level 2 is 7 pixels, of the bilinear up-sampling 2; a multiple of the stride.
HALO = 16
# Mean distances below this are rounding errors, which no division may blow up.
ROUNDING = 1e-4
# Standard deviations, in pixels, of the two Gaussians whose geometric mean is taken: the small
# one keeps outlines, the large one asks for support around them (docs/method.md).
SIGMAS = (2.0, 8.0)


def deep_distance(
    t1: Float[np.ndarray, "band row col"],
    t2: Float[np.ndarray, "band row col"],
    valid: Bool[np.ndarray, "row col"],
    *,
    rgb: tuple[int, int, int],
    extractor: nn.Module,
    sigmas: Sequence[float] = SIGMAS,
    device: str = "cpu",
    stages: Stages | None = None,
) -> Float[np.ndarray, "row col"]:
    """Geometric mean over σ of the smoothed sum of cosine and Euclidean distances.

    Every distance is divided by its mean over the scene before it is added; the spectral
    distance over all bands counts twice, each level's cosine distance once.

    Args:
        t1: First image, color-corrected, in [0, 1].
        t2: Second image, in [0, 1].
        valid: Pixels that count.
        rgb: Bands that the extractor sees.
        extractor: (batch, 3, row, col) → feature maps, one a level.
        sigmas: Of the Gaussians, in pixels.
        device: Where to compute features.
        stages: Records time and reports progress.

    Returns:
        Distance ≥ 0, larger = more change; 0 where not valid.
    """
    recorder = stages or Stages()
    cosines = _cosine_distances(t1, t2, rgb, extractor, device, recorder)
    with recorder.stage("smooth", len(sigmas)) as advance:
        spectral = np.sqrt(np.square(t1 - t2).sum(axis=0))
        total = 2 * _over_mean(spectral, valid)
        for cosine in cosines:
            total += _over_mean(cosine, valid)
        log = np.zeros(valid.shape, np.float64)
        for sigma in sigmas:
            log += np.log(np.maximum(smooth(total, valid, sigma), np.finfo(np.float32).tiny))
            advance(1)
    return np.where(valid, np.exp(log / len(sigmas)), 0).astype(np.float32)


def smooth(
    image: Float[np.ndarray, "row col"], valid: Bool[np.ndarray, "row col"], sigma: float
) -> Float[np.ndarray, "row col"]:
    """Gaussian mean over the valid pixels around each (normalized convolution)."""
    weight = ndimage.gaussian_filter(valid.astype(np.float32), sigma)
    total = ndimage.gaussian_filter(np.where(valid, image, 0).astype(np.float32), sigma)
    smoothed: Float[np.ndarray, "row col"] = total / np.maximum(weight, 1e-6)
    return smoothed


def _over_mean(
    distance: Float[np.ndarray, "row col"], valid: Bool[np.ndarray, "row col"]
) -> Float[np.ndarray, "row col"]:
    mean = float(distance[valid].mean(dtype=np.float64))
    scaled: Float[np.ndarray, "row col"] = distance / max(mean, ROUNDING)
    return scaled


def _cosine_distances(
    t1: Float[np.ndarray, "band row col"],
    t2: Float[np.ndarray, "band row col"],
    rgb: tuple[int, int, int],
    extractor: nn.Module,
    device: str,
    stages: Stages,
) -> Float[np.ndarray, "level row col"]:
    """1 − cosine of the two dates' features at every level, at full resolution."""
    dates = np.stack([t1[list(rgb)], t2[list(rgb)]])
    network = extractor.to(device).eval()
    with torch.inference_mode():
        predict = _predictor(dates, network, device)
        height, width = dates.shape[-2:]
        levels = len(
            predict(Window(row=0, col=0, height=min(height, HALO), width=min(width, HALO)))
        )
        count = -(-height // TILE) * -(-width // TILE)
        with stages.stage("features", count) as advance:
            return map_tiles(
                predict, (height, width), channels=levels, size=TILE, halo=HALO, advance=advance
            )


def _predictor(
    dates: Float[np.ndarray, "2 3 row col"], network: nn.Module, device: str
) -> Callable[[Window], Float[np.ndarray, "level _row _col"]]:
    def predict(window: Window) -> Float[np.ndarray, "level _row _col"]:
        part = torch.from_numpy(dates[..., *window.slices].copy()).to(device)
        size = (window.height, window.width)
        maps = [_enlarge(_cosine(level), size) for level in network(part)]
        return torch.stack(maps).cpu().numpy()

    return predict


def _cosine(features: Float[Tensor, "2 channel row col"]) -> Float[Tensor, "row col"]:
    return 1 - functional.cosine_similarity(features[0], features[1], dim=0)


def _enlarge(image: Float[Tensor, "row col"], size: tuple[int, int]) -> Float[Tensor, "_row _col"]:
    if image.shape == size:
        return image
    larger = functional.interpolate(image[None, None], size=size, mode="bilinear")
    return larger[0, 0]
