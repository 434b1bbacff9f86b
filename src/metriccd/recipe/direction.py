"""A direction of change: what the later of two dates holds and the earlier one does not foresee.

Everything is compared in the colors of the later date, to which the earlier one is corrected: what
appeared stands out there, and what disappeared was explained away. With the dates swapped it is the
other way round.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from torch import Tensor, nn

from metriccd.pair import Samples, UnitRange
from metriccd.recipe.feature_distance import level_distances
from metriccd.recipe.prediction import Prediction, fit_prediction
from metriccd.recipe.smoothing import ROUNDING
from metriccd.recipe.standard import Part, Standard, mean_of
from metriccd.storage import storable

# Mean that is left where nothing changed, of noise of 3 % and half a pixel of misregistration; of
# the prediction, for each √band. Dates that differ leave more, even where no object changed
# (docs/decisions/019-nothing-changed.md). Distances are in units of their mean, but of no less
# than this: noise is no change for being all that there is.
NOISE = {"prediction": 0.035, "second level": 0.02, "first level": 0.05}

Evidence = Mapping[str, Float[Tensor, "row col"]]


@storable
@dataclass(frozen=True, kw_only=True)
class Direction:
    """The witnesses of what appeared, fitted on a scene.

    Attributes:
        ranged: Brings both dates to the colors of the later one.
        standard: Standardizes them.
        prediction: What one date says of the other.
        means: Of each witness, over the scene; no less than noise explains.
        surprise: Logarithm of how much worse the later date is foreseen than the earlier one is
            recalled: large where the later date holds what the earlier one does not.
    """

    ranged: UnitRange
    standard: Standard
    prediction: Prediction
    means: Mapping[str, float]
    surprise: float

    @classmethod
    def fit(
        cls,
        parts: Sequence[Samples],
        *,
        rgb: Sequence[int],
        network: nn.Module,
        color_factor: int,
        seed: int,
        device: str,
    ) -> tuple[Direction, list[Evidence]]:
        """From parts (earlier, later, valid) that stand for a scene; returns its evidence, too."""
        ranged = UnitRange.fit(parts, factor=color_factor)
        inside = [(*ranged(*part), part[2]) for part in parts]
        dates = [image for part in inside for image in part[:2]]
        standard = Standard.fit(dates, [part[2] for part in inside for _ in range(2)])
        standardized = [standard(*part, device) for part in inside]
        prediction = fit_prediction(standardized, seed=seed)
        valids = [part.valid for part in standardized]
        residuals = [prediction.residuals(part.t1, part.t2) for part in standardized]
        foreseen, recalled = (
            max(mean_of(maps, valids), ROUNDING) for maps in zip(*residuals, strict=True)
        )
        distances = [
            _witnesses(part, residual, rgb, network)
            for part, residual in zip(standardized, residuals, strict=True)
        ]
        means = {
            name: max(mean_of([maps[name] for maps in distances], valids), noise)
            for name, noise in _noise(len(standardized[0].t1)).items()
        }
        direction = cls(
            ranged=ranged,
            standard=standard,
            prediction=prediction,
            means=means,
            surprise=math.log(foreseen / recalled),
        )
        return direction, [direction._over_means(maps) for maps in distances]

    def __call__(
        self,
        earlier: Float[np.ndarray, "band row col"],
        later: Float[np.ndarray, "band row col"],
        valid: Bool[np.ndarray, "row col"],
        *,
        rgb: Sequence[int],
        network: nn.Module,
        device: str,
    ) -> Evidence:
        """Distances of a window over their means."""
        part = self.standard(*self.ranged(earlier, later, valid), valid, device)
        residuals = self.prediction.residuals(part.t1, part.t2)
        return self._over_means(_witnesses(part, residuals, rgb, network))

    def _over_means(self, distances: Evidence) -> Evidence:
        return {name: distance / self.means[name] for name, distance in distances.items()}


def _noise(bands: int) -> dict[str, float]:
    """Mean of each witness that noise explains."""
    return NOISE | {"prediction": NOISE["prediction"] * math.sqrt(bands)}


def _witnesses(
    part: Part, residuals: Float[Tensor, "2 row col"], rgb: Sequence[int], network: nn.Module
) -> Evidence:
    """Distances ≥ 0; of an extractor of one level, that level twice."""
    levels = level_distances(network, part.dates(rgb))
    return {
        "prediction": residuals.square().sum(dim=0).sqrt(),
        "first level": levels[0],
        "second level": levels[min(1, len(levels) - 1)],
    }
