"""Three witnesses of change, none of them sure, multiplied: prediction, structure, deep features.

Each is a distance ≥ 0 at every pixel. Each is divided by its mean over the scene and smoothed at
several scales; the score is the weighted geometric mean of all of that. A product asks for
agreement: a field that changed its color but not its pattern, or a roof that glints in one image,
scores less than a building that was not there.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32
from torch import nn

from metriccd.adaptation import Adaptation, Scene, adapt, pseudo_labels
from metriccd.feature_distance import feature_distances
from metriccd.nets.metric import MEAN, SPREAD
from metriccd.nets.precision import place
from metriccd.prediction import prediction_residual
from metriccd.smoothing import over_mean, smooth
from metriccd.stages import Stages
from metriccd.structure import structural_dissimilarity

# Standard deviations, in pixels, of the Gaussians.
SIGMAS = (1.0, 2.0, 4.0, 8.0)
# Chosen once, on all development pairs together (docs/decisions/009-recipe.md). Their sum, the
# degree of the product, is where Rosin's rule finds the corner.
WEIGHTS = {"prediction": 2.25, "structure": 1.5, "features": 0.75}


@dataclass(frozen=True, kw_only=True)
class Fused:
    """What the witnesses agree on.

    Attributes:
        distance: ≥ 0 (row, col), larger = more change; 0 where not valid.
        history: Curves of the adaptation, step by step.
    """

    distance: Float32[np.ndarray, "row col"]
    history: Mapping[str, tuple[float, ...]] = field(default_factory=dict)


def fused_distance(
    t1: Float[np.ndarray, "band row col"],
    t2: Float[np.ndarray, "band row col"],
    valid: Bool[np.ndarray, "row col"],
    *,
    rgb: tuple[int, int, int],
    extractor: nn.Module,
    adaptation: Adaptation,
    seed: int = 0,
    device: str = "cpu",
    stages: Stages | None = None,
) -> Fused:
    """The whole recipe on one pair.

    Args:
        t1: First image in the colors of the second, in [0, 1].
        t2: Second image, in [0, 1].
        valid: Pixels that count.
        rgb: Bands that the extractor sees.
        extractor: (batch, 3, row, col) → feature maps, one a level; a copy of it is adapted.
        adaptation: How the copy is taught on this pair; with 0 steps, not at all.
        seed: Of everything random.
        device: Where to compute features.
        stages: Records time and reports progress.
    """
    recorder = stages or Stages()
    one, other = standardize(t1, t2, valid)
    with recorder.stage("prediction"):
        evidence = closed_form_evidence(one, other, valid, seed=seed)
    history: Mapping[str, tuple[float, ...]] = {}
    if adaptation.steps:
        target = pseudo_labels(fuse(evidence, valid), valid, adaptation)
        images = (one[list(rgb)], other[list(rgb)], target)
        scene = Scene(*(torch.from_numpy(image) for image in images))
        extractor = place(copy.deepcopy(extractor), device)
        history = adapt(extractor, [scene], adaptation, seed=seed, device=device, stages=recorder)
    levels = feature_distances(
        one, other, rgb=rgb, extractor=extractor, device=device, stages=recorder
    )
    evidence["features"] = np.sum([over_mean(level, valid) for level in levels], axis=0)
    with recorder.stage("fuse"):
        return Fused(distance=fuse(evidence, valid), history=history)


def standardize(
    t1: Float32[np.ndarray, "band row col"],
    t2: Float32[np.ndarray, "band row col"],
    valid: Bool[np.ndarray, "row col"],
) -> tuple[Float32[np.ndarray, "band row col"], Float32[np.ndarray, "band row col"]]:
    """Both dates with bands of mean 0.3 over both, and 0.15 the mean of the bands' deviations.

    One gain for all bands keeps colors what they are; the mean is what the embedded extractor
    expects. 0.3, too, where not valid.
    """
    both = np.concatenate([t1[:, valid], t2[:, valid]], axis=1)
    mean, spread = both.mean(axis=1), float(both.std(axis=1).mean())
    gain = SPREAD / max(spread, float(np.finfo(np.float32).tiny))
    one, other = (
        np.where(valid, (image - mean[:, None, None]) * gain, 0) + MEAN for image in (t1, t2)
    )
    return one.astype(np.float32), other.astype(np.float32)


def closed_form_evidence(
    t1: Float32[np.ndarray, "band row col"],
    t2: Float32[np.ndarray, "band row col"],
    valid: Bool[np.ndarray, "row col"],
    *,
    seed: int = 0,
) -> dict[str, Float32[np.ndarray, "row col"]]:
    """The two witnesses that need no network, of a standardized pair."""
    return {
        "prediction": prediction_residual(t1, t2, valid, seed=seed),
        "structure": structural_dissimilarity(t1, t2, valid),
    }


def fuse(
    evidence: Mapping[str, Float[np.ndarray, "row col"]],
    valid: Bool[np.ndarray, "row col"],
    *,
    weights: Mapping[str, float] = WEIGHTS,
    sigmas: Sequence[float] = SIGMAS,
) -> Float32[np.ndarray, "row col"]:
    """∏ over witnesses k and scales σ of (G_σ * d_k / mean d_k), to the power w_k / |σ|.

    Args:
        evidence: Name → distance.
        valid: Pixels that count.
        weights: Name → w_k.
        sigmas: Of the Gaussians, in pixels.

    Returns:
        Distance ≥ 0, larger = more change, around 1 where nothing special happens; 0 where not
        valid.
    """
    log = np.zeros(valid.shape, np.float32)
    relative = {name: over_mean(distance, valid) for name, distance in evidence.items()}
    for sigma in sigmas:
        for name, distance in relative.items():
            smoothed = smooth(distance, valid, sigma)
            log += weights[name] / len(sigmas) * np.log(np.maximum(smoothed, 1e-9))
    return np.where(valid, np.exp(log), 0).astype(np.float32)
