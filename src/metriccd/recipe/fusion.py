"""The recipe: witnesses of change, none of them sure, multiplied; in both directions of time.

Each witness is a distance ≥ 0 at every pixel. Each is divided by its mean over the scene and
smoothed at several scales; the score of a direction is the weighted geometric mean of all of that.
A product asks for agreement: a field that changed its color as the whole scene did, or a roof that
glints in one image, scores less than a building that was not there.

Everything that is fitted is fitted on parts that stand for the scene, which cost the same whatever
its size; then any window of it can be measured.
"""

from __future__ import annotations

import copy
import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32
from torch import Tensor, nn

from metriccd.nets import MetricExtractor, place
from metriccd.pair import Samples
from metriccd.recipe import guidance, prediction
from metriccd.recipe.direction import Direction, Evidence
from metriccd.recipe.feature_distance import halo_of
from metriccd.recipe.plain import Plain
from metriccd.recipe.scale import scale_of
from metriccd.recipe.smoothing import reach, smooth
from metriccd.recipe.standard import Part
from metriccd.scene import workers
from metriccd.stages import Stages
from metriccd.storage import storable

# Standard deviations, in pixels, of the Gaussians.
SIGMAS = (1.0, 2.0, 4.0, 8.0)
# Chosen on all development sets together, leaving one out (docs/decisions/014-robust.md). Their
# sum, the degree of the product, is where rules on its histogram find the corner.
EXPONENTS = {"prediction": 1.6, "second level": 1.3, "first level": 0.6, "plain": 1.0}
# How sharply `both` chooses between the directions: for each unit of rank correlation with the
# plain difference, and of the logarithm of surprise.
AGREEMENT, SURPRISE = 8.0, 3.0
# Pixels that the rank correlation looks at.
SAMPLE = 4096
# A direction that weighs less than this is not measured.
NEGLIGIBLE = 0.02
# Most that outlines may add to the logarithm of the distance.
LIMIT = 1.0
# Values of a date up to which a scene's plain difference and directions are fitted beside each
# other: two megapixels of four bands, in 2.4 GB.
TOGETHER = 2**23
# Levels of the extractor that are seen: deeper ones blur what they see.
LEVELS = 2

Logs = Float[Tensor, "row col"]
# Of what appeared, of what disappeared (None where nobody asks), and of the plain difference.
Directions = tuple[Logs | None, Logs | None, Logs]


@storable
@dataclass(frozen=True, kw_only=True)
class Fusion:
    """The recipe, fitted on a scene.

    Attributes:
        plain: The plain difference.
        appeared: Witnesses of what t2 holds and t1 does not; None where its weight is negligible.
        disappeared: Of what t1 holds and t2 does not; likewise.
        weight: Of what appeared, from 0 to 1.
        network: Feature extractor, on the device where windows are measured.
        plain_features: Whether the plain difference compares features, too, or colors alone.
        scale: Of the scene's changes: a factor of all standard deviations.
        rgb: Bands that the extractors see.
        whole: What was measured of the scene, where one part was all of it.
    """

    plain: Plain
    appeared: Direction | None
    disappeared: Direction | None
    weight: float
    network: nn.Module = field(repr=False)
    plain_features: bool
    scale: float
    rgb: tuple[int, int, int]
    whole: Whole | None = field(default=None, repr=False)

    @property
    def stride(self) -> int:
        """Windows must start at multiples of it."""
        return int(getattr(self.network, "stride", 1))

    @property
    def halo(self) -> int:
        """Context that a window needs on each side, in pixels."""
        seen = max(prediction.HALO, halo_of(self.network))
        seen += reach(self.scale * max(SIGMAS)) + guidance.halo_of(self.scale * guidance.SIGMA)
        return -(-seen // self.stride) * self.stride

    def __call__(
        self,
        t1: Float[np.ndarray, "band row col"],
        t2: Float[np.ndarray, "band row col"],
        valid: Bool[np.ndarray, "row col"],
    ) -> Float32[np.ndarray, "2 row col"]:
        """Distance ≥ 0 of a window, larger = more change, around 1 where nothing special happens.

        The second layer says which way: > 0 what appeared, < 0 what disappeared. Both are 0 where
        not valid.
        """
        if self.whole is not None and self.whole.is_of((t1, t2, valid)):
            return self.whole.layers
        device = str(next(self.network.parameters(), torch.empty(0)).device)
        network = self.network
        seen = network if self.plain_features else None
        with torch.inference_mode():
            guides, plain = self.plain(t1, t2, valid, rgb=self.rgb, network=seen, device=device)
            appeared, disappeared = (
                None
                if direction is None
                else direction(*dates, valid, rgb=self.rgb, network=network, device=device)
                for direction, dates in ((self.appeared, (t1, t2)), (self.disappeared, (t2, t1)))
            )
            look = Look(appeared, disappeared, plain, guides)
            return look.layers(look.logs(self.scale), self.scale, self.weight)


@storable
@dataclass(frozen=True, kw_only=True)
class Whole:
    """What was measured of a scene that is one part: no need to do it again.

    Attributes:
        digest: Of the scene's pixels.
        layers: Distance, and which way it leans.
    """

    digest: str
    layers: Float32[np.ndarray, "2 row col"]

    @classmethod
    def of(cls, part: Samples, layers: Float32[np.ndarray, "2 row col"]) -> Whole:
        """What was measured of this scene."""
        return cls(digest=_digest(part), layers=layers)

    def is_of(self, part: Samples) -> bool:
        """Whether a window is that scene."""
        return part[2].shape == self.layers.shape[1:] and _digest(part) == self.digest


@dataclass(frozen=True)
class Look:
    """What the witnesses say of a part of a scene.

    Attributes:
        appeared: Distances over their means, of what appeared; None where nobody asks.
        disappeared: Of what disappeared.
        plain: The plain difference, over its mean.
        guides: Both dates as they are; the score is smoothed along what they show.
    """

    appeared: Evidence | None
    disappeared: Evidence | None
    plain: Float[Tensor, "row col"]
    guides: Part

    def logs(self, scale: float) -> Directions:
        """Logarithms of the product in both directions, and of the plain difference, smoothed."""
        plain = self._smoothed({"plain": self.plain}, scale)["plain"]
        appeared, disappeared = (
            None if evidence is None else self._product(evidence, plain, scale)
            for evidence in (self.appeared, self.disappeared)
        )
        return appeared, disappeared, plain

    def layers(
        self, logs: Directions, scale: float, weight: float
    ) -> Float32[np.ndarray, "2 row col"]:
        """The distance, and which way it leans; 0 where not valid."""
        log, lean = self.merged(logs, scale, weight)
        layers = torch.where(self.guides.valid, torch.stack([log.exp(), lean]), 0)
        return layers.cpu().numpy()

    def merged(self, logs: Directions, scale: float, weight: float) -> tuple[Logs, Logs]:
        """Logarithm of the distance, along outlines, and which way it leans."""
        appeared, disappeared, plain = logs
        if appeared is not None and disappeared is not None:
            log, lean = weight * appeared + (1 - weight) * disappeared, appeared - disappeared
        elif appeared is not None:
            log, lean = appeared, torch.ones_like(plain)
        else:
            assert disappeared is not None
            log, lean = disappeared, -torch.ones_like(plain)
        # A glint may be far outside what its window's regression knows: it shall not run away.
        followed = guidance.guided(log, *self.guides, sigma=scale * guidance.SIGMA)
        return torch.minimum(followed, log + LIMIT), lean

    def _product(self, evidence: Evidence, plain: Logs, scale: float) -> Logs:
        """Σ over witnesses k of w_k times the mean over σ of log(G_σ * d_k)."""
        total = EXPONENTS["plain"] * plain
        for name, log in self._smoothed(evidence, scale).items():
            total = total + EXPONENTS[name] * log
        return total

    def _smoothed(self, evidence: Evidence, scale: float) -> dict[str, Logs]:
        """Mean over σ of the logarithms of distances smoothed."""
        stack = torch.stack(list(evidence.values()))
        logs = torch.zeros_like(stack)
        for sigma in SIGMAS:
            logs += smooth(stack, self.guides.valid, scale * sigma).clamp_(min=1e-9).log_()
        return dict(zip(evidence, logs / len(SIGMAS), strict=True))


def fit_fusion(
    parts: Sequence[Samples],
    *,
    rgb: tuple[int, int, int],
    extractor: nn.Module,
    plain_features: bool = True,
    direction: Literal["both", "appeared", "disappeared"] = "both",
    ground: float | None = None,
    color_factor: int = 4,
    seed: int = 0,
    device: str = "cpu",
    stages: Stages | None = None,
) -> Fusion:
    """Fits the whole recipe on parts that stand for a scene; one part may be all of it.

    Args:
        parts: Images (band, row, col) and their valid pixels.
        rgb: Bands that the extractor sees.
        extractor: (batch, 3, row, col) → feature maps, one a level.
        plain_features: Whether the plain difference compares features, too, or colors alone.
        direction: Of change that is looked for.
        ground: Side of a pixel on the ground in meters; None where unknown.
        color_factor: β of the color correction.
        seed: Of everything random.
        device: Where to compute.
        stages: Records time and reports progress.
    """
    recorder = stages or Stages()
    network = seen_by(extractor, device)
    swapped = [(t2, t1, valid) for t1, t2, valid in parts]

    def fit_plain() -> tuple[Plain, list[Part], list[Logs]]:
        seen = network if plain_features else None
        with torch.inference_mode():
            return Plain.fit(parts, rgb=rgb, network=seen, device=device)

    def fit_direction(dates: Sequence[Samples]) -> tuple[Direction, list[Evidence]]:
        with torch.inference_mode():
            return Direction.fit(
                dates,
                rgb=rgb,
                network=network,
                color_factor=color_factor,
                seed=seed,
                device=device,
            )

    asked = {
        name: dates
        for name, dates in (("appeared", parts), ("disappeared", swapped))
        if direction in {"both", name}
    }
    # Beside each other where all of them fit well into memory: the threads of one wait for nobody.
    values = sum(t1.size for t1, _, _ in parts)
    with workers(1 + len(asked) if values <= TOGETHER else 1) as pool:
        with recorder.stage("directions", 1 + len(asked)) as advance:
            first = pool.submit(fit_plain)
            others = {name: pool.submit(fit_direction, dates) for name, dates in asked.items()}
            plain, guides, plains = first.result()
            advance(1)
            found = {}
            for name, other in others.items():
                found[name] = other.result()
                advance(1)
        nothing = (None, [None] * len(parts))
        (appeared, came), (disappeared, went) = (
            found.get(name, nothing) for name in ("appeared", "disappeared")
        )
        looks = [Look(*each) for each in zip(came, went, plains, guides, strict=True)]
        with recorder.stage("scale"):
            scale, weight, layers = pool.submit(
                _scaled, looks, appeared, disappeared, ground
            ).result()
    return Fusion(
        plain=plain,
        appeared=appeared if weight >= NEGLIGIBLE else None,
        disappeared=disappeared if weight <= 1 - NEGLIGIBLE else None,
        weight=weight,
        network=network,
        plain_features=plain_features,
        scale=scale,
        rgb=rgb,
        whole=None if layers is None else Whole.of(parts[0], layers),
    )


def _scaled(
    looks: Sequence[Look],
    appeared: Direction | None,
    disappeared: Direction | None,
    ground: float | None,
) -> tuple[float, float, Float32[np.ndarray, "2 row col"] | None]:
    """The scale, the weight of what appeared, and what is measured where one part is all."""
    with torch.inference_mode():
        logs = [look.logs(1.0) for look in looks]
        weight = weight_of(looks, logs, appeared, disappeared)
        maps = [look.layers(each, 1.0, weight)[0] for look, each in zip(looks, logs, strict=True)]
        scale = scale_of(maps, [look.guides.valid.cpu().numpy() for look in looks], ground)
        logs = [look.logs(scale) for look in looks]
        weight = weight_of(looks, logs, appeared, disappeared)
        if len(looks) > 1:
            return scale, weight, None
        one, other, plain = logs[0]
        kept = (
            one if weight >= NEGLIGIBLE else None,
            other if weight <= 1 - NEGLIGIBLE else None,
            plain,
        )
        return scale, weight, looks[0].layers(kept, scale, weight)


def weight_of(
    looks: Sequence[Look],
    logs: Sequence[Directions],
    appeared: Direction | None,
    disappeared: Direction | None,
) -> float:
    """The weight of what appeared.

    The direction that agrees more with the plain difference, and whose date is harder to foresee,
    counts more: a color correction that explains a new town away, in the colors of the desert that
    was there before, has nothing to say of it.
    """
    if appeared is None or disappeared is None:
        return float(appeared is not None)
    surprise = SURPRISE * (appeared.surprise - disappeared.surprise)
    count = sum(int(look.guides.valid.sum()) for look in looks)
    step = max(count // SAMPLE, 1)
    one, other, plain = (
        torch.cat([log[look.guides.valid] for log, look in zip(maps, looks, strict=True)])[::step]
        .cpu()
        .numpy()
        for maps in zip(*logs, strict=True)
    )
    agreement = _correlation(one, plain) - _correlation(other, plain)
    return 1 / (1 + math.exp(-AGREEMENT * agreement - surprise))


def _correlation(one: Float[np.ndarray, " pixel"], other: Float[np.ndarray, " pixel"]) -> float:
    """Rank correlation; 0 where all values are equal."""
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0
    return float(np.corrcoef(_ranks(one), _ranks(other))[0, 1])


def _ranks(values: Float[np.ndarray, " pixel"]) -> Float[np.ndarray, " pixel"]:
    """Ranks; equal values share their mean."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: Float[np.ndarray, " pixel"] = (np.cumsum(counts) - (counts - 1) / 2)[place]
    return ranks


def seen_by(extractor: nn.Module, device: str) -> nn.Module:
    """A copy of an extractor on a device; of ours, its first levels, normalization folded in."""
    if isinstance(extractor, MetricExtractor):
        levels = extractor.folded(extractor.levels[:LEVELS])
        return place(levels, device).eval()
    return place(copy.deepcopy(extractor), device).eval()


def _digest(part: Samples) -> str:
    """What tells a scene's pixels from others."""
    digest = hashlib.sha256()
    for array in part:
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
