"""Three witnesses of change, none of them sure, multiplied: prediction, structure, deep features.

Each is a distance ≥ 0 at every pixel. Each is divided by its mean over the scene and smoothed at
several scales; the score is the weighted geometric mean of all of that. A product asks for
agreement: a field that changed its color but not its pattern, or a roof that glints in one image,
scores less than a building that was not there.

Everything that is fitted is fitted on parts that stand for the scene, which cost the same whatever
its size; then any window of it can be measured.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32
from torch import Tensor, nn

from metriccd.nets import MetricExtractor, place
from metriccd.pair import Samples, UnitRange
from metriccd.recipe import guidance, prediction, structure
from metriccd.recipe.adaptation import Adaptation, adapt, pseudo_labels
from metriccd.recipe.crops import Lesson
from metriccd.recipe.feature_distance import halo_of, level_distances
from metriccd.recipe.scale import scale_of
from metriccd.recipe.smoothing import ROUNDING, reach, smooth
from metriccd.recipe.standard import Part, Standard, mean_of
from metriccd.stages import Stages

# Standard deviations, in pixels, of the Gaussians.
SIGMAS = (1.0, 2.0, 4.0, 8.0)
# Chosen once, on all development pairs together (docs/decisions/009-recipe.md). Their sum, the
# degree of the product, is where Rosin's rule finds the corner.
EXPONENTS = {"prediction": 2.25, "structure": 1.5, "features": 0.75}
# Most that outlines may add to the logarithm of the distance.
LIMIT = 1.0

Evidence = Mapping[str, Float[Tensor, "row col"]]


@dataclass(frozen=True, kw_only=True)
class ClosedForm:
    """The two witnesses that need no network.

    Attributes:
        prediction: What one date says of the other.
        noise: Variance below which a pattern is noise.
    """

    prediction: prediction.Prediction
    noise: float

    @classmethod
    def fit(cls, parts: Sequence[Part], *, seed: int = 0) -> ClosedForm:
        """From standardized parts that stand for the scene."""
        return cls(
            prediction=prediction.fit_prediction(parts, seed=seed),
            noise=structure.noise_variance(parts),
        )

    def __call__(self, part: Part) -> dict[str, Float[Tensor, "row col"]]:
        """Their distances on a window."""
        return {
            "prediction": self.prediction.residual(part.t1, part.t2),
            "structure": structure.structural_dissimilarity(part.t1, part.t2, noise=self.noise),
        }


@dataclass(frozen=True, kw_only=True)
class Fusion:
    """The recipe, fitted on a scene.

    Attributes:
        ranged: Brings a window of both dates to one range of colors.
        standard: Standardizes them.
        closed_form: The witnesses that need no network.
        means: Of their distances, over the scene.
        network: Feature extractor, on the device where windows are measured.
        level_means: Of the feature distances at each of its levels.
        scale: Of the scene's changes: a factor of all standard deviations.
        rgb: Bands that it sees.
        history: Curves of the adaptation, step by step.
    """

    ranged: UnitRange
    standard: Standard
    closed_form: ClosedForm
    means: Mapping[str, float]
    network: nn.Module = field(repr=False)
    level_means: tuple[float, ...]
    scale: float
    rgb: tuple[int, int, int]
    history: Mapping[str, tuple[float, ...]] = field(default_factory=dict, repr=False)

    @property
    def stride(self) -> int:
        """Windows must start at multiples of it."""
        return int(getattr(self.network, "stride", 1))

    @property
    def halo(self) -> int:
        """Context that a window needs on each side, in pixels."""
        halo = max(prediction.HALO, structure.HALO, halo_of(self.network))
        halo += reach(self.scale * max(SIGMAS)) + guidance.halo_of(self.scale * guidance.SIGMA)
        return -(-halo // self.stride) * self.stride

    def __call__(
        self,
        t1: Float[np.ndarray, "band row col"],
        t2: Float[np.ndarray, "band row col"],
        valid: Bool[np.ndarray, "row col"],
    ) -> Float32[np.ndarray, "row col"]:
        """Fused distance ≥ 0 of a window, larger = more change; 0 where not valid."""
        device = str(next(self.network.parameters(), torch.empty(0)).device)
        with torch.inference_mode():
            part = self.standard(*self.ranged(t1, t2, valid), valid, device)
            evidence = _over_means(self.closed_form(part), self.means)
            levels = level_distances(self.network, _dates(part, self.rgb))
            evidence["features"] = _mean_over_means(levels, self.level_means)
            return fuse(evidence, part, scale=self.scale).cpu().numpy()


def fit_fusion(
    parts: Sequence[Samples],
    *,
    rgb: tuple[int, int, int],
    extractor: nn.Module,
    adaptation: Adaptation,
    color_factor: int = 4,
    seed: int = 0,
    device: str = "cpu",
    stages: Stages | None = None,
) -> Fusion:
    """Fits the whole recipe on parts that stand for a scene; one part may be all of it.

    Args:
        parts: Images (band, row, col) and their valid pixels.
        rgb: Bands that the extractor sees.
        extractor: (batch, 3, row, col) → feature maps, one a level; a copy of it is adapted.
        adaptation: How the copy is taught on this pair; with 0 steps, not at all.
        color_factor: β of the color correction.
        seed: Of everything random.
        device: Where to compute.
        stages: Records time and reports progress.
    """
    recorder = stages or Stages()
    with recorder.stage("color"), torch.inference_mode():
        ranged = UnitRange.fit(parts, factor=color_factor)
        standard, standardized = _standardized(parts, ranged, device)
    with recorder.stage("prediction"), torch.inference_mode():
        closed_form = ClosedForm.fit(standardized, seed=seed)
        distances = [closed_form(part) for part in standardized]
        valids = [part.valid for part in standardized]
        means = {name: mean_of([maps[name] for maps in distances], valids) for name in distances[0]}
        evidences = [_over_means(maps, means) for maps in distances]
    network = place(_copied(extractor), device).eval()
    history: Mapping[str, tuple[float, ...]] = {}
    if adaptation.steps:
        lessons = _lessons(standardized, evidences, rgb, adaptation)
        history = adapt(network, lessons, adaptation, seed=seed, device=device, stages=recorder)
    with recorder.stage("features", len(standardized)) as advance, torch.inference_mode():
        levels = []
        for part in standardized:
            levels.append(level_distances(network, _dates(part, rgb)))
            advance(1)
        level_means = tuple(mean_of(level, valids) for level in zip(*levels, strict=True))
    with recorder.stage("scale"), torch.inference_mode():
        for evidence, maps in zip(evidences, levels, strict=True):
            evidence["features"] = _mean_over_means(maps, level_means)
        scale = scale_of(_fused(evidences, standardized), [valid.cpu().numpy() for valid in valids])
    return Fusion(
        ranged=ranged,
        standard=standard,
        closed_form=closed_form,
        means=means,
        network=network,
        level_means=level_means,
        scale=scale,
        rgb=rgb,
        history=history,
    )


def fuse(
    evidence: Evidence,
    part: Part,
    *,
    sigmas: Sequence[float] = SIGMAS,
    scale: float = 1.0,
) -> Float32[Tensor, "row col"]:
    """∏ over witnesses k and scales σ of (G_σ * d_k)^(w_k / |σ|), fitted to outlines.

    Args:
        evidence: Name → distance over its mean.
        part: Where it was measured; its logarithm is smoothed along what both dates show.
        sigmas: Of the Gaussians, in pixels, at a scale of 1.
        scale: A factor of them and of the width of the guided filter.

    Returns:
        Distance ≥ 0, larger = more change, around 1 where nothing special happens; 0 where not
        valid.
    """
    stack = torch.stack(list(evidence.values()))
    powers = torch.tensor([EXPONENTS[name] / len(sigmas) for name in evidence], device=stack.device)
    log = torch.zeros_like(stack[0])
    for sigma in sigmas:
        smoothed = smooth(stack, part.valid, scale * sigma).clamp_(min=1e-9)
        log += torch.einsum("k,krc->rc", powers, smoothed.log_())
    # A glint may be far outside what its window's regression knows: it shall not run away.
    guided = guidance.guided(log, *part, sigma=scale * guidance.SIGMA)
    log = torch.minimum(guided, log + LIMIT)
    return torch.where(part.valid, log.exp_(), 0)


def _copied(extractor: nn.Module) -> nn.Module:
    """A copy that may be taught, its normalization folded into the convolutions.

    Statistics of a few crops are noise, in the lesson and afterwards: they stay as they were
    learned (docs/decisions/013-frozen-statistics.md).
    """
    if isinstance(extractor, MetricExtractor):
        return extractor.folded()
    return copy.deepcopy(extractor)


def _lessons(
    parts: Sequence[Part],
    evidence: Sequence[Evidence],
    rgb: tuple[int, int, int],
    adaptation: Adaptation,
) -> list[Lesson]:
    """Parts of a scene with pseudo-labels by the witnesses that need no network, at their scale."""
    valids = [part.valid.cpu().numpy() for part in parts]
    scale = scale_of(_fused(evidence, parts), valids)
    targets = pseudo_labels(_fused(evidence, parts, scale=scale), valids, adaptation)
    dates = [_dates(part, rgb) for part in parts]
    return [
        Lesson(t1, t2, torch.from_numpy(target))
        for (t1, t2), target in zip(dates, targets, strict=True)
    ]


def _fused(
    evidence: Sequence[Evidence], parts: Sequence[Part], *, scale: float = 1.0
) -> list[Float32[np.ndarray, "_row _col"]]:
    """Fused distances of parts of a scene."""
    pairs = zip(evidence, parts, strict=True)
    return [fuse(distances, part, scale=scale).cpu().numpy() for distances, part in pairs]


def _standardized(
    parts: Sequence[Samples], ranged: UnitRange, device: str
) -> tuple[Standard, list[Part]]:
    """How to standardize the scene, and its parts standardized."""
    unit_parts = [(*ranged(*part), part[2]) for part in parts]
    dates = [image for part in unit_parts for image in part[:2]]
    standard = Standard.fit(dates, [part[2] for part in unit_parts for _ in range(2)])
    return standard, [standard(*part, device) for part in unit_parts]


def _dates(part: Part, rgb: tuple[int, int, int]) -> Float[Tensor, "2 3 row col"]:
    return torch.stack([part.t1[list(rgb)], part.t2[list(rgb)]])


def _over_means(evidence: Evidence, means: Mapping[str, float]) -> dict[str, Tensor]:
    """Distances over their means, unless these are nothing but rounding errors."""
    return {name: distance / max(means[name], ROUNDING) for name, distance in evidence.items()}


def _mean_over_means(
    levels: Float[Tensor, "level row col"], means: Sequence[float]
) -> Float[Tensor, "row col"]:
    """Mean over levels of their distances over their means."""
    gains = torch.tensor([1 / max(mean, ROUNDING) for mean in means], device=levels.device)
    gains /= len(means)
    return torch.einsum("l,lrc->rc", gains, levels)
