"""The plainest deep score: feature and spectral distances, summed and smoothed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import nn

from metriccd.recipe.feature_distance import feature_distances
from metriccd.recipe.smoothing import ROUNDING, smooth
from metriccd.stages import Stages

# Standard deviations, in pixels, of the Gaussians.
SIGMAS = (1.0, 2.0, 4.0, 8.0)


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
    """Mean over σ of the smoothed sum of cosine and Euclidean distances: the line to be beaten.

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
    cosines = feature_distances(
        t1, t2, rgb=rgb, extractor=extractor, device=device, stages=recorder
    )
    with recorder.stage("smooth", len(sigmas)) as advance:
        spectral = np.sqrt(np.square(t1 - t2).sum(axis=0))
        total = np.zeros(valid.shape, np.float32)
        for distance in (spectral, spectral, *cosines):
            total += distance / max(float(distance[valid].mean(dtype=np.float64)), ROUNDING)
        image, mask = torch.from_numpy(total)[None], torch.from_numpy(valid)
        smoothed = torch.zeros_like(image[0])
        for sigma in sigmas:
            smoothed += smooth(image, mask, sigma)[0] / len(sigmas)
            advance(1)
    return np.where(valid, smoothed.numpy(), 0).astype(np.float32)
