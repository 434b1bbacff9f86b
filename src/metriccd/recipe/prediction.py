"""How badly one date is predicted from the other: a color correction that sees context, both ways.

Eq. 1–2 of the paper map the colors of t1 to those of t2, pixel by pixel and one way. Here the same
least squares also see the surroundings of a pixel, so that a field may turn brown where a roof
stays red, and they run both ways; what they cannot explain is change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64
from torch import Tensor

from metriccd.nets import Size
from metriccd.recipe.smoothing import gaussian, reach
from metriccd.recipe.standard import Part, inside
from metriccd.storage import storable

# Standard deviations, in pixels, of the Gaussians that give a pixel's context.
MEAN_SIGMAS = (0.8, 2.0, 4.0)
SPREAD_SIGMAS = (1.0, 2.0)
HALO = reach(max(*MEAN_SIGMAS, *SPREAD_SIGMAS))
# Random ramps of the features, their gain, and the range of their kinks, in standard deviations.
RAMPS, GAIN, KINKS = 128, 1.5, 2.0
# Pixels that the fit looks at.
SAMPLE = 2**15
# Student's t with these degrees of freedom, by re-weighted least squares: change is an outlier.
FREEDOM = 3.0
REWEIGHTINGS = 3
# Of so many pixels one is looked at until the last round: weights need few to settle.
THINNED = 4
# Pixels for each unknown without which none is left out.
ENOUGH = 32
RIDGE = 1e-4
# Residuals below this share of the target's deviation are not told apart.
NOISE_SHARE = 0.01
# Features are cut at this many standard deviations: glints would rule the fit.
CUT = 6.0
# Pixels predicted at once.
CHUNK = Size(cpu=2**12, elsewhere=2**20)


@storable
class Regression(NamedTuple):
    """One date from the features of the other: linear in them and in random ramps of them.

    Attributes:
        mean: Of each feature.
        scale: Its standard deviation; 1 for a constant one.
        slopes: w of the ramps max(0, w·x + b), x the standardized features.
        kinks: b.
        offset: Of each band.
        linear: Weights of the features.
        bent: Weights of the ramps.
    """

    mean: Float[Tensor, "feature 1"]
    scale: Float[Tensor, "feature 1"]
    slopes: Float[Tensor, "ramp feature"]
    kinks: Float[Tensor, " ramp"]
    offset: Float[Tensor, " band"]
    linear: Float[Tensor, "band feature"]
    bent: Float[Tensor, "band ramp"]

    def __call__(self, features: Float[Tensor, "feature pixel"]) -> Float[Tensor, "band pixel"]:
        """The prediction."""
        pixels = features.shape[1]
        size = min(CHUNK.on(features.device), pixels)
        gain, shift = 1 / self.scale, -self.mean / self.scale
        ramps = features.new_empty((len(self.slopes), size))
        predicted = features.new_empty((len(self.offset), pixels))
        for start in range(0, pixels, size):
            part = slice(start, min(start + size, pixels))
            bent, out = ramps[:, : part.stop - start], predicted[:, part]
            standard = torch.addcmul(shift, features[:, part], gain).clamp_(-CUT, CUT)
            torch.addmm(self.kinks[:, None], self.slopes, standard, out=bent).relu_()
            torch.addmm(self.offset[:, None], self.linear, standard, out=out)
            out.addmm_(self.bent, bent)
        return predicted


@storable
@dataclass(frozen=True, kw_only=True)
class Prediction:
    """Each date predicted from the other.

    Attributes:
        forward: t2 from t1.
        backward: t1 from t2.
    """

    forward: Regression
    backward: Regression

    def residuals(
        self, t1: Float[Tensor, "band row col"], t2: Float[Tensor, "band row col"]
    ) -> Float[Tensor, "2 row col"]:
        """Norms of what each date does not explain of the other: ‖t2 − f(t1)‖ and ‖t1 − g(t2)‖.

        Both are in the colors of t2, to which t1 was corrected.
        """
        target = _target(len(t1))
        features1, features2 = (context(image).flatten(1) for image in (t1, t2))
        squares = torch.stack(
            [
                (goal[target] - regression(source)).square_().sum(dim=0)
                for source, goal, regression in (
                    (features1, features2, self.forward),
                    (features2, features1, self.backward),
                )
            ]
        )
        return squares.sqrt_().view(2, *t1.shape[1:])


def fit_prediction(parts: Sequence[Part], *, seed: int = 0) -> Prediction:
    """Fits both ways on what is valid of a scene, minding no outliers.

    The ramps are random; the weights of their sum are found by least squares (an extreme learning
    machine, Huang et al. 2006).

    Args:
        parts: Windows that stand for the scene.
        seed: Of the ramps and of the pixels that are fitted on.
    """
    random = np.random.default_rng(seed)
    indices = _drawn([int(part.valid.sum()) for part in parts], random)
    sums = [_Sums.of(date, parts, indices) for date in range(2)]
    slopes = random.normal(0, GAIN / len(sums[0].mean) ** 0.5, (RAMPS, len(sums[0].mean)))
    kinks = random.uniform(-KINKS, KINKS, (RAMPS, 1))
    target, device = _target(len(parts[0].t1)), parts[0].t1.device
    forward, backward = (
        _regression(
            source, goal.sample[target], slopes.astype(np.float32), kinks.astype(np.float32)
        )
        for source, goal in (sums, sums[::-1])
    )
    return Prediction(
        forward=Regression(*(tensor.to(device) for tensor in forward)),
        backward=Regression(*(tensor.to(device) for tensor in backward)),
    )


def context(image: Float[Tensor, "band row col"]) -> Float[Tensor, "feature row col"]:
    """A pixel's bands, their means around it, and how much the mean band varies around it."""
    bands, spreads = len(image), len(SPREAD_SIGMAS)
    features = image.new_empty(
        ((1 + len(MEAN_SIGMAS)) * bands + spreads, image.shape[1], image.shape[2])
    )
    features[:bands] = image
    for index, sigma in enumerate(MEAN_SIGMAS, start=1):
        gaussian(image, sigma, out=features[index * bands : (index + 1) * bands])
    brightness = image.mean(dim=0, keepdim=True)
    moments = torch.cat([brightness, brightness.square()])
    for index, sigma in enumerate(SPREAD_SIGMAS, start=len(features) - spreads):
        features[index] = _spread(gaussian(moments, sigma))
    return features


def _spread(moments: Float[Tensor, "2 row col"]) -> Float[Tensor, "row col"]:
    return (moments[1] - moments[0].square()).clamp_(min=1e-6).sqrt_()


def _target(bands: int) -> slice:
    """The features that are predicted: bands smoothed a little.

    A shift of half a pixel is no surprise then. They are among the features, so that two equal
    images predict each other without error.
    """
    return slice(bands, 2 * bands)


def _drawn(counts: Sequence[int], random: np.random.Generator) -> list[np.ndarray | slice]:
    """Which valid pixels of each part the fit looks at."""
    total = sum(counts)
    if total <= SAMPLE:
        return [slice(None)] * len(counts)
    indices = np.sort(random.choice(total, SAMPLE, replace=False))
    ends = np.cumsum(counts)
    split = np.split(indices, np.searchsorted(indices, ends[:-1]))
    return [part - (end - count) for part, end, count in zip(split, ends, counts, strict=True)]


class _Sums(NamedTuple):
    """What is kept of one date's features."""

    mean: Float64[np.ndarray, "feature 1"]
    scale: Float64[np.ndarray, "feature 1"]
    sample: Float32[np.ndarray, "feature drawn"]

    @classmethod
    def of(cls, date: int, parts: Sequence[Part], indices: Sequence[np.ndarray | slice]) -> _Sums:
        count, totals, norms, sample = 0, [], [], []
        for part, index in zip(parts, indices, strict=True):
            features = inside(context(part[date]), part.valid)
            count += features.shape[1]
            totals.append(features.sum(dim=1, dtype=torch.float64).cpu().numpy())
            norm = torch.linalg.vector_norm(features, dim=1, dtype=torch.float64)
            norms.append(norm.cpu().numpy())
            sample.append(features[:, index].cpu().numpy())
        mean = np.sum(totals, axis=0) / count
        spread = np.sqrt(np.maximum(np.square(norms).sum(axis=0) / count - mean**2, 0))
        # Rounding gives a constant feature some spread.
        scale = np.where(spread > 1e-6 * np.abs(mean), spread, 1)
        return cls(mean[:, None], scale[:, None], np.concatenate(sample, axis=1))


def _regression(
    source: _Sums,
    target: Float32[np.ndarray, "band drawn"],
    slopes: Float32[np.ndarray, "ramp feature"],
    kinks: Float32[np.ndarray, "ramp 1"],
) -> Regression:
    standard = ((source.sample - source.mean) / source.scale).astype(np.float32).clip(-CUT, CUT)
    ramps = np.maximum(slopes @ standard + kinks, 0)
    ones = np.ones((1, standard.shape[1]), np.float32)
    terms = torch.from_numpy(np.concatenate([ones, standard, ramps]))
    matrix = _robust_least_squares(terms, torch.from_numpy(target)).T
    features = len(standard)
    mean, scale = (torch.from_numpy(statistic).float() for statistic in (source.mean, source.scale))
    return Regression(
        mean=mean,
        scale=scale,
        slopes=torch.from_numpy(slopes),
        kinks=torch.from_numpy(kinks[:, 0]),
        offset=matrix[:, 0].contiguous(),
        linear=matrix[:, 1 : features + 1].contiguous(),
        bent=matrix[:, features + 1 :].contiguous(),
    )


def _robust_least_squares(
    terms: Float[Tensor, "term pixel"], target: Float[Tensor, "band pixel"]
) -> Float[Tensor, "term band"]:
    """Maximum likelihood of a multivariate t distribution, by re-weighting (Lange et al. 1989)."""
    smallest = NOISE_SHARE**2 * float(target.var(dim=1, correction=0).mean())
    smallest += float(np.finfo(np.float32).tiny)
    step = THINNED if terms.shape[1] >= THINNED * ENOUGH * len(terms) else 1
    few = terms[:, ::step].contiguous(), target[:, ::step].contiguous()
    weights = torch.ones(few[0].shape[1])
    for _ in range(REWEIGHTINGS - 1):
        weights = _weights(*few, _least_squares(*few, weights), smallest)
    weights = _weights(terms, target, _least_squares(*few, weights), smallest)
    return _least_squares(terms, target, weights)


def _least_squares(
    terms: Float[Tensor, "term pixel"],
    target: Float[Tensor, "band pixel"],
    weights: Float[Tensor, " pixel"],
) -> Float[Tensor, "term band"]:
    weighted = terms * weights
    normal = (weighted @ terms.T).double()
    normal.diagonal().add_(RIDGE * len(weights))
    solved: Tensor = torch.linalg.solve(normal, (weighted @ target.T).double())
    return solved.float()


def _weights(
    terms: Float[Tensor, "term pixel"],
    target: Float[Tensor, "band pixel"],
    matrix: Float[Tensor, "term band"],
    smallest: float,
) -> Float[Tensor, " pixel"]:
    """Of the pixels, the less the further they lie off."""
    bands = len(target)
    squares = (target - matrix.T @ terms).square_().sum(dim=0)
    # The median of χ² with k degrees of freedom is about k − 0.6.
    scale = max(float(squares.median()) / (bands - 0.6), smallest)
    return (FREEDOM + bands) / (FREEDOM + squares / scale)
