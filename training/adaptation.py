"""Metric learning without labels: a feature distance taught by a closed-form score.

The surest pixels of a score, the top few percent and the lower five sixths, stand for change and
no change. An extractor learns that its feature distance is large on the first and small on the
second, under changing light, at changing scales, and on pairs of one date with itself, which hold
no change at all. What the score gets wrong by chance does not repeat, so it is not learned.

This is eq. 6 of the paper with the classes averaged apart and a logistic loss. The same function
trains the embedded extractor on many scenes (`training/extractor.py`) and adapts it to one pair.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32
from metriccd.nets.MISSING import Replay
from metriccd.recipe.crops import UNKNOWN, Crops, Lesson
from torch import Tensor, nn
from torch.nn import functional

from metriccd.nets import MetricExtractor, autocast
from metriccd.nets.cosine import pair_distances
from metriccd.nets.embedded import Readout
from metriccd.nets.features import Vgg16
from metriccd.stages import Stages

CURVES = ("loss", "change", "no change")


@dataclass(frozen=True, kw_only=True)
class Adaptation:
    """How an extractor is taught.

    Attributes:
        steps: Optimizer steps; 0 leaves the extractor as it is.
        learning_rate: AdamW's, falling to 0 along a cosine after a tenth of the steps.
        weight_decay: AdamW's.
        batch: Crops a step.
        crop: Side of a crop, in pixels.
        zoom: Smallest and largest side of the ground under a crop, over `crop`.
        same: Share of crops that pair a date with itself.
        change: Share of a scene, the highest scores, that stands for change.
        no_change: Share of a scene, the lowest scores, that stands for no change.
    """

    steps: int = 60
    learning_rate: float = 1e-3
    weight_decay: float = 0.02
    batch: int = 8
    crop: int = 64
    zoom: tuple[float, float] = (0.6, 1.2)
    same: float = 0.25
    change: float = 0.025
    no_change: float = 0.85


def pseudo_labels(
    scores: Sequence[Float[np.ndarray, "_row _col"]],
    valids: Sequence[Bool[np.ndarray, "_row _col"]],
    settings: Adaptation,
) -> list[Float32[np.ndarray, "_row _col"]]:
    """1 on the highest scores of some windows together, 0 on the lowest, else `UNKNOWN`."""
    values = np.concatenate([score[valid] for score, valid in zip(scores, valids, strict=True)])
    low, high = np.quantile(values, [settings.no_change, 1 - settings.change])
    targets = []
    for score, valid in zip(scores, valids, strict=True):
        target = np.full(score.shape, UNKNOWN, np.float32)
        target[score <= low] = 0
        target[(score >= high) & (score > low)] = 1
        target[~valid] = UNKNOWN
        targets.append(target)
    return targets


def adapt(
    extractor: nn.Module,
    lessons: Sequence[Lesson],
    settings: Adaptation,
    *,
    seed: int = 0,
    device: str = "cpu",
    stages: Stages | None = None,
) -> dict[str, tuple[float, ...]]:
    """Teaches an extractor, in place, that its feature distance tells change from no change.

    Args:
        extractor: (batch, 3, row, col) → feature maps, one a level; on `device`. Its `readout`,
            if it has one, is where the logit starts from.
        lessons: Pairs with pseudo-labels, of at least 16 pixels a side.
        settings: How long and on what.
        seed: Of crops and augmentations.
        device: Where to compute.
        stages: Records time and reports progress.

    Returns:
        Loss and mean probability of both classes, step by step. The extractor is in evaluation
        mode, and its normalization layers have running statistics of what it saw.
    """
    random = torch.Generator().manual_seed(seed)
    crops = Crops(
        lessons,
        side=settings.crop,
        zoom=settings.zoom,
        same=settings.same,
        random=random,
        device=device,
    )
    readout = getattr(extractor, "readout", None) or _new_readout(extractor, device)
    parameters = list(dict.fromkeys([*extractor.parameters(), *readout.parameters()]))
    optimizer = torch.optim.AdamW(
        parameters, lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    # The rise takes a step and the fall another, however short the whole.
    total = max(settings.steps, 3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, settings.learning_rate, total_steps=total, pct_start=max(0.1, 2 / total)
    )

    def teach(*batch: Tensor) -> Float[Tensor, " curve"]:
        """Gradients of a batch, and its point of the curves."""
        t1, t2, target = batch
        optimizer.zero_grad()
        logit = change_logit(extractor, readout, t1, t2)
        loss = _loss(logit, target)
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it unannotated
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        return _point(loss, logit, target)

    extractor.train()
    points = []
    with (stages or Stages()).stage("adapt", settings.steps) as advance:
        # What others wrote may look at values, which a graph cannot.
        step = Replay(teach) if isinstance(extractor, MetricExtractor | Vgg16) else teach
        for _ in range(settings.steps):
            points.append(step(*crops.draw(settings.batch)))
            optimizer.step()
            schedule.step()
            advance(1)
        curves = _curves(points)
    optimizer.zero_grad()
    extractor.eval()
    return curves


def change_logit(
    extractor: nn.Module,
    readout: Readout,
    t1: Float[Tensor, "batch 3 row col"],
    t2: Float[Tensor, "batch 3 row col"],
) -> Float[Tensor, "batch row col"]:
    """Logit of change of a batch of pairs."""
    with autocast(t1.device.type):
        dates = torch.cat([t1, t2]).contiguous(memory_format=torch.channels_last)
        levels = extractor(dates)
    distances = [pair_distances(level) for level in levels]
    logit: Tensor = readout(distances, (t1.shape[-2], t1.shape[-1]))
    return logit


def _new_readout(extractor: nn.Module, device: str) -> Readout:
    with torch.no_grad():
        levels = len(extractor(torch.zeros(1, 3, 32, 32, device=device)))
    return Readout(levels).to(device)


def _loss(
    logit: Float[Tensor, "batch row col"], target: Float[Tensor, "batch row col"]
) -> Float[Tensor, ""]:
    """Logistic loss where the target is known."""
    known = (target != UNKNOWN).to(logit.dtype)
    losses = functional.binary_cross_entropy_with_logits(logit, target.clamp(min=0), known)
    return losses * known.numel() / known.sum().clamp(min=1)


def _point(
    loss: Float[Tensor, ""],
    logit: Float[Tensor, "batch row col"],
    target: Float[Tensor, "batch row col"],
) -> Float[Tensor, " curve"]:
    """Loss and mean probability of each class, NaN where it is missing; nobody waits for it."""
    probability = torch.sigmoid(logit.detach())
    means = [(probability * mask).sum() / mask.sum() for mask in (target == 1, target == 0)]
    return torch.stack([loss.detach(), *means])


def _curves(points: Sequence[Float[Tensor, " curve"]]) -> dict[str, tuple[float, ...]]:
    """Curves by name; where a batch had no pixel of a class, the value before holds.

    A loss that is no number stays one, and so do the classes then.
    """
    curves: dict[str, list[float]] = {name: [] for name in CURVES}
    for point in points:
        loss, *_ = values = point.tolist()
        for curve, value in zip(curves.values(), values, strict=True):
            previous = curve[-1] if curve else 0.5
            curve.append(previous if math.isnan(value) and not math.isnan(loss) else value)
    return {name: tuple(curve) for name, curve in curves.items()}
