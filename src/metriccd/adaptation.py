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
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32
from torch import Tensor, nn
from torch.nn import functional

from metriccd.augmentation import jitter
from metriccd.nets.cosine import pair_distances
from metriccd.nets.metric import Readout
from metriccd.nets.precision import autocast
from metriccd.stages import Stages

UNKNOWN = -1.0


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
    learning_rate: float = 5e-4
    weight_decay: float = 0.02
    batch: int = 8
    crop: int = 64
    zoom: tuple[float, float] = (0.6, 1.2)
    same: float = 0.25
    change: float = 0.025
    no_change: float = 0.85


class Scene(NamedTuple):
    """A pair to learn from.

    Attributes:
        t1: First image, RGB, standardized.
        t2: Second image.
        target: 1 on change, 0 on no change, `UNKNOWN` elsewhere.
    """

    t1: Float[Tensor, "3 row col"]
    t2: Float[Tensor, "3 row col"]
    target: Float[Tensor, "row col"]


def pseudo_labels(
    scores: Sequence[Float[np.ndarray, "_row _col"]],
    valids: Sequence[Bool[np.ndarray, "_row _col"]],
    settings: Adaptation,
) -> list[Float32[np.ndarray, "_row _col"]]:
    """1 on the highest scores of some windows together, 0 on the lowest, else `UNKNOWN`."""
    inside = np.concatenate([score[valid] for score, valid in zip(scores, valids, strict=True)])
    low, high = np.quantile(inside, [settings.no_change, 1 - settings.change])
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
    scenes: Sequence[Scene],
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
        scenes: Pairs with pseudo-labels, of at least 16 pixels a side.
        settings: How long and on what.
        seed: Of crops and augmentations.
        device: Where to compute.
        stages: Records time and reports progress.

    Returns:
        Loss and mean probability of both classes, step by step. The extractor is in evaluation
        mode, and its normalization layers have running statistics of what it saw.
    """
    random = torch.Generator().manual_seed(seed)
    crops = _Crops(scenes, settings, random, device)
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
    history: dict[str, list[float]] = {"loss": [], "change": [], "no change": []}
    extractor.train()
    with (stages or Stages()).stage("adapt", settings.steps) as advance:
        for _ in range(settings.steps):
            t1, t2, target = crops.draw()
            logit = change_logit(extractor, readout, t1, t2)
            loss = _loss(logit, target)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it unannotated
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            schedule.step()
            _record(history, loss, logit, target)
            advance(1)
    extractor.eval()
    return {name: tuple(values) for name, values in history.items()}


def change_logit(
    extractor: nn.Module,
    readout: Readout,
    t1: Float[Tensor, "batch 3 row col"],
    t2: Float[Tensor, "batch 3 row col"],
) -> Float[Tensor, "batch row col"]:
    """Logit of change of a batch of pairs."""
    with autocast(t1.device.type):
        both = torch.cat([t1, t2]).contiguous(memory_format=torch.channels_last)
        levels = extractor(both)
    distances = [pair_distances(level) for level in levels]
    logit: Tensor = readout(distances, (t1.shape[-2], t1.shape[-1]))
    return logit


def _new_readout(extractor: nn.Module, device: str) -> Readout:
    with torch.no_grad():
        levels = len(extractor(torch.zeros(1, 3, 32, 32, device=device)))
    return Readout(levels).to(device)


class _Crops:
    """Random crops of random scenes."""

    def __init__(
        self, scenes: Sequence[Scene], settings: Adaptation, random: torch.Generator, device: str
    ) -> None:
        self.scenes, self.settings, self.random, self.device = scenes, settings, random, device
        # A scene is drawn as often as its side is long: large ones do not drown small ones.
        self.weights = torch.tensor([math.sqrt(scene.target.numel()) for scene in scenes])

    def draw(self) -> Scene:
        """A batch: images (batch, 3, row, col), targets (batch, row, col)."""
        scenes = torch.multinomial(
            self.weights, self.settings.batch, replacement=True, generator=self.random
        )
        parts = [self._crop(self.scenes[index]) for index in scenes.tolist()]
        t1, t2, target = (torch.stack(each) for each in zip(*parts, strict=True))
        images = jitter(torch.cat([t1, t2]), self.random).to(self.device)
        return Scene(images[: len(t1)], images[len(t1) :], target.to(self.device))

    def _crop(self, scene: Scene) -> Scene:
        grid = self._grid(scene.target.shape)
        flips = self._integer(4)
        if self._uniform() < self.settings.same:
            one = scene.t1 if self._uniform() < 0.5 else scene.t2
            # Half a pixel beside: no change either.
            beside = grid + 0.8 * torch.randn(2, generator=self.random) / torch.tensor(
                [scene.target.shape[1], scene.target.shape[0]]
            )
            pair = [_sample(one, grid), self._lit(_sample(one, beside))]
            target = torch.zeros(grid.shape[:2])
        else:
            pair = [_sample(scene.t1, grid), _sample(scene.t2, grid)]
            target = _sample(scene.target[None], grid, mode="nearest")[0]
        t1, t2, turned = (
            torch.rot90(each.flip(-1) if flips % 2 else each, flips // 2, (-2, -1))
            for each in (*pair, target)
        )
        return Scene(t1, t2, turned)

    def _grid(self, shape: torch.Size) -> Float[Tensor, "row col 2"]:
        """Positions of a crop in a scene, as `grid_sample` counts them: −1 to 1 over the scene."""
        smallest, largest = self.settings.zoom
        zoom = smallest * (largest / smallest) ** self._uniform()
        half = [min(zoom * self.settings.crop / side, 1.0) for side in shape]
        rows, cols = (
            (2 * self._uniform() - 1) * (1 - part)
            + part * (2 * (torch.arange(self.settings.crop) + 0.5) / self.settings.crop - 1)
            for part in half
        )
        return torch.stack(torch.meshgrid(rows, cols, indexing="ij")[::-1], dim=-1)

    def _lit(self, image: Float[Tensor, "3 row col"]) -> Float[Tensor, "3 row col"]:
        """An image in uneven light: thin cloud, slope, shadow."""
        coarse = 1 + 0.2 * torch.randn(1, 1, 4, 4, generator=self.random)
        light = functional.interpolate(coarse, size=image.shape[-2:], mode="bilinear")[0]
        return image * light

    def _uniform(self) -> float:
        return float(torch.rand((), generator=self.random))

    def _integer(self, below: int) -> int:
        return int(torch.randint(below, (), generator=self.random))


def _sample(
    image: Float[Tensor, "channel row col"],
    grid: Float[Tensor, "_row _col 2"],
    mode: str = "bilinear",
) -> Float[Tensor, "channel _row _col"]:
    sampled: Tensor = functional.grid_sample(
        image[None], grid[None], mode=mode, padding_mode="border", align_corners=False
    )
    return sampled[0]


def _loss(
    logit: Float[Tensor, "batch row col"], target: Float[Tensor, "batch row col"]
) -> Float[Tensor, ""]:
    """Logistic loss where the target is known."""
    known = (target != UNKNOWN).to(logit.dtype)
    losses = functional.binary_cross_entropy_with_logits(logit, target.clamp(min=0), known)
    return losses * known.numel() / known.sum().clamp(min=1)


def _record(history: dict[str, list[float]], loss: Tensor, logit: Tensor, target: Tensor) -> None:
    probability = torch.sigmoid(logit.detach())
    history["loss"].append(float(loss.detach()))
    for name, value in (("change", 1), ("no change", 0)):
        inside = target == value
        before = history[name][-1] if history[name] else 0.5
        history[name].append(float(probability[inside].mean()) if inside.any() else before)
