"""The per-pair optimizer: a change-probability generator fitted to one pair, eq. 4–9."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from metriccd.nets import (
    GENERATORS,
    autocast,
    jitter,
    on_device,
    place,
)
from metriccd.paper import losses
from metriccd.stages import Stages

Term = Literal["image", "feature", "context", "balance"]
# Of the two dates at each pixel, and where it counts.
Distance = tuple[Float[Tensor, "_row _col"], Bool[Tensor, "_row _col"]]
ALL_TERMS: frozenset[Term] = frozenset({"image", "feature", "context", "balance"})


@dataclass(frozen=True, kw_only=True)
class FitSettings:
    """What is optimized, and how long; the defaults are the paper's.

    Attributes:
        generator: D-CPG, a key of `GENERATORS` (Table II).
        levels: Levels l of the feature extractor (Table IV).
        terms: Terms of eq. 9 that are used (Table III); "balance" is eq. 8 or its stand-in.
        steps: Adam steps.
        learning_rate: Adam's.
        input: What the generator sees: the Mahalanobis distance image of eq. 3, or |t1 − t2|
            band by band.
        distance: Distance in eq. 5–6.
        gate: "soft" weights every pixel by P_c and 1 − P_c; "hard" counts a pixel only in the
            term of its likelier class.
        balance: What keeps P_c from being one everywhere: eq. 8, or the difference of the mean
            squared probabilities that the released code's contrast reduces to.
        normalize_features: Each feature channel to zero mean and unit deviation.
        train_extractor: Whether the extractor's weights are optimized too.
        alpha: α of eq. 5–6, for the image and for every level.
    """

    generator: str = "resnet32"
    levels: tuple[int, ...] = (1, 2)
    terms: frozenset[Term] = ALL_TERMS
    steps: int = 80
    learning_rate: float = 1e-5
    input: Literal["mahalanobis", "absolute"] = "mahalanobis"
    distance: Literal["mahalanobis", "l1"] = "mahalanobis"
    gate: Literal["soft", "hard"] = "soft"
    balance: Literal["sparsity", "contrast"] = "sparsity"
    normalize_features: bool = False
    train_extractor: bool = True
    alpha: float = 1.0


PAPER = FitSettings()
# The authors' public code where it differs from the paper (docs/method.md), described from
# what was observed of it; its ground-truth stop is replaced by the last step.
RELEASED = FitSettings(
    terms=frozenset({"image", "feature", "balance"}),
    steps=50,
    learning_rate=1e-4,
    input="absolute",
    distance="l1",
    gate="hard",
    balance="contrast",
    normalize_features=True,
    train_extractor=False,
)


@dataclass(frozen=True, kw_only=True)
class Fit:
    """A generator fitted to one pair.

    Attributes:
        probability: P_c (row, col) after the last step.
        history: Each loss term, their sum and the mean of P_c, step by step.
    """

    probability: Float[np.ndarray, "row col"]
    history: Mapping[str, tuple[float, ...]]


def fit_pair(
    t1: Float[np.ndarray, "band row col"],
    t2: Float[np.ndarray, "band row col"],
    valid: Bool[np.ndarray, "row col"],
    *,
    rgb: tuple[int, int, int],
    extractor: nn.Module,
    settings: FitSettings = PAPER,
    seed: int = 0,
    device: str = "cpu",
    stages: Stages | None = None,
) -> Fit:
    """Minimizes eq. 9 for one pair, starting from a randomly initialized generator.

    Args:
        t1: First image, color-corrected, in [0, 1].
        t2: Second image, in [0, 1].
        valid: Pixels that count; the others carry no loss.
        rgb: Bands that the extractor sees.
        extractor: D-FE: (batch, 3, row, col) → feature maps, one a level. It is optimized in
            place where the settings say so.
        settings: Terms, steps, rates.
        seed: Of the generator's weights and the augmentations.
        device: Where to compute.
        stages: Records time and reports progress.
    """
    problem = _Problem(t1, t2, valid, rgb, extractor, settings, device, seed)
    generator = place(_seeded(settings.generator, problem.difference.shape[1], seed), device)
    parameters = list(generator.parameters())
    if settings.train_extractor:
        parameters += list(problem.extractor.parameters())
    optimizer = torch.optim.Adam(parameters, lr=settings.learning_rate)
    history: dict[str, list[float]] = {}
    generator.train()
    with (stages or Stages()).stage("fit", settings.steps) as advance:
        for _ in range(settings.steps):
            with autocast(device):
                logit = generator(problem.difference)
            p_c = torch.sigmoid(logit.float())[0]
            terms = problem.terms(p_c)
            total = torch.stack(list(terms.values())).sum()
            optimizer.zero_grad()
            total.backward()  # type: ignore[no-untyped-call]  # torch leaves it unannotated
            optimizer.step()
            _record(history, terms | {"total": total, "mean P_c": p_c[problem.valid].mean()})
            advance(1)
    # In all bits, which rank pixels, and with the statistics of the whole image, as in training.
    with torch.inference_mode():
        probability = torch.sigmoid(generator(problem.difference))[0]
    return Fit(
        probability=probability.cpu().numpy(),
        history={name: tuple(values) for name, values in history.items()},
    )


class _Problem:
    """One pair on the device, and eq. 9 as a function of P_c."""

    def __init__(
        self,
        t1: Float[np.ndarray, "band row col"],
        t2: Float[np.ndarray, "band row col"],
        valid: Bool[np.ndarray, "row col"],
        rgb: tuple[int, int, int],
        extractor: nn.Module,
        settings: FitSettings,
        device: str,
        seed: int,
    ) -> None:
        self.settings = settings
        self.valid, x1, x2 = (on_device(array, device) for array in (valid, t1, t2))
        self.dates = torch.stack([x1[list(rgb)], x2[list(rgb)]])
        self.extractor = place(extractor, device).requires_grad_(settings.train_extractor)
        self.random = torch.Generator(device=device).manual_seed(seed)
        self.image_distance = self._distance(x1, x2, self.valid)
        if settings.input == "absolute":
            difference = (x1 - x2).abs()
        else:
            difference = losses.mahalanobis_distance(x1, x2, self.valid)[None]  # eq. 3
        self.difference = torch.where(self.valid, difference, 0)[None]
        # What no step changes is computed once.
        self.fixed: tuple[Tensor, ...] | None = None
        self.fixed_distances: list[Distance] | None = None
        if not settings.train_extractor:
            self.fixed = self._features(self.dates)
            self.fixed_distances = self._level_distances(self.fixed)

    def terms(self, p_c: Float[Tensor, "row col"]) -> dict[str, Float[Tensor, ""]]:
        """Each term of eq. 9 that the settings ask for."""
        terms: dict[str, Float[Tensor, ""]] = {}
        enabled = self.settings.terms
        if "image" in enabled:
            terms["image"] = self._contrast(self.image_distance, p_c, self.valid)
        if enabled & {"feature", "context"}:
            features = self.fixed or self._features(self.dates)
            if "feature" in enabled:
                distances = self.fixed_distances or self._level_distances(features)
                terms["feature"] = self._feature_term(distances, p_c)
            if "context" in enabled:
                jittered = self._features(jitter(self.dates, self.random))
                terms["context"] = losses.context_consistency(features, jittered)
        if "balance" in enabled:
            terms["balance"] = BALANCES[self.settings.balance](p_c, self.valid)
        return terms

    def _feature_term(
        self, distances: list[Distance], p_c: Float[Tensor, "row col"]
    ) -> Float[Tensor, ""]:
        """Eq. 6: the similarity–dissimilarity loss at every level."""
        terms = []
        for distance, valid in distances:
            resized = losses.downsample_nearest(p_c, (valid.shape[0], valid.shape[1]))
            terms.append(self._contrast(distance, resized, valid))
        return torch.stack(terms).sum()

    def _level_distances(self, features: tuple[Tensor, ...]) -> list[Distance]:
        """Between the dates, at every level, and the valid pixels there."""
        distances = []
        for level in features:
            size = (level.shape[-2], level.shape[-1])
            valid = losses.downsample_nearest(self.valid, size)
            # Chunks, not unbound: gradients then stay channels last, as convolutions want them.
            t1, t2 = (date.squeeze(0) for date in level.chunk(2))
            if self.settings.normalize_features:
                t1, t2 = (losses.instance_normalize(date, valid) for date in level)
            distances.append((self._distance(t1, t2, valid), valid))
        return distances

    def _contrast(
        self,
        distance: Float[Tensor, "row col"],
        p_c: Float[Tensor, "row col"],
        valid: Bool[Tensor, "row col"],
    ) -> Float[Tensor, ""]:
        return losses.similarity_dissimilarity(
            distance, p_c, valid, alpha=self.settings.alpha, gate=self.settings.gate
        )

    def _distance(
        self,
        t1: Float[Tensor, "channel row col"],
        t2: Float[Tensor, "channel row col"],
        valid: Bool[Tensor, "row col"],
    ) -> Float[Tensor, "row col"]:
        if self.settings.distance == "l1":
            return losses.l1_distance(t1, t2)
        return losses.mahalanobis_distance(t1, t2, valid)

    def _features(self, dates: Float[Tensor, "2 3 row col"]) -> tuple[Tensor, ...]:
        with autocast(dates.device.type):
            maps = self.extractor(dates)
        # What is summed and whitened needs all bits; what the convolutions keep does not.
        return tuple(level.float() for level in maps)


BALANCES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "sparsity": losses.sparsity,
    "contrast": losses.change_balance,
}


def _seeded(name: str, in_channels: int, seed: int) -> nn.Module:
    """A generator with weights drawn from `seed`; the global random state stays as it was."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return GENERATORS[name](in_channels)


def _record(history: dict[str, list[float]], values: Mapping[str, Tensor]) -> None:
    for name, value in values.items():
        history.setdefault(name, []).append(float(value.detach()))
