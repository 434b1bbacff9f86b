"""The plain difference: both dates as they are, in one range of values, compared without a fit.

A color correction explains away what covers much of a scene, a flood or a harvest, and takes for
change what it cannot explain. The dates as they came say what it cannot: they may differ in light,
but nothing was fitted to them. The same for both orders of the dates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from metriccd.nets import on_device
from metriccd.pair import BandRange, Samples
from metriccd.recipe.feature_distance import level_distances
from metriccd.recipe.smoothing import ROUNDING
from metriccd.recipe.standard import Part, Standard, mean_of
from metriccd.storage import storable

# How often the spectral distance counts, and each level of the features once.
SPECTRAL = 2.0


@storable
@dataclass(frozen=True, kw_only=True)
class Plain:
    """The plain difference, fitted on a scene.

    Attributes:
        bands: The range of both dates.
        standard: Standardizes them.
        means: Over the scene: of the spectral distance, and of the features' at each level.
    """

    bands: BandRange
    standard: Standard
    means: tuple[float, ...]

    @classmethod
    def fit(
        cls, parts: Sequence[Samples], *, rgb: Sequence[int], network: nn.Module | None, device: str
    ) -> tuple[Plain, list[Part], list[Float[Tensor, "_row _col"]]]:
        """From parts that stand for a scene; returns them standardized and measured, too."""
        pixels = [image[:, valid] for t1, t2, valid in parts for image in (t1, t2)]
        bands = BandRange.fit(pixels)
        ranged = [(bands(t1, valid), bands(t2, valid), valid) for t1, t2, valid in parts]
        dates = [image for part in ranged for image in part[:2]]
        standard = Standard.fit(dates, [part[2] for part in ranged for _ in range(2)])
        standardized = [standard(*part, device) for part in ranged]
        distances = [
            _distances(t1, t2, part, rgb, network)
            for (t1, t2, _), part in zip(ranged, standardized, strict=True)
        ]
        valids = [part.valid for part in standardized]
        means = tuple(mean_of(each, valids) for each in zip(*distances, strict=True))
        plain = cls(bands=bands, standard=standard, means=means)
        return plain, standardized, [plain.merged(each) for each in distances]

    def __call__(
        self,
        t1: Float[np.ndarray, "band row col"],
        t2: Float[np.ndarray, "band row col"],
        valid: Bool[np.ndarray, "row col"],
        *,
        rgb: Sequence[int],
        network: nn.Module | None,
        device: str,
    ) -> tuple[Part, Float[Tensor, "row col"]]:
        """A window standardized, and its distance over the mean of the scene."""
        t1, t2 = self.bands(t1, valid), self.bands(t2, valid)
        part = self.standard(t1, t2, valid, device)
        return part, self.merged(_distances(t1, t2, part, rgb, network))

    def merged(self, distances: Float[Tensor, "distance row col"]) -> Float[Tensor, "row col"]:
        """The spectral distance and those of the features, each over its mean, averaged."""
        weights = torch.ones(len(distances))
        weights[0] = SPECTRAL
        gains = weights / weights.sum() / torch.tensor(self.means).clamp(min=ROUNDING)
        return torch.einsum("d,drc->rc", gains.to(distances.device), distances)


def _distances(
    t1: Float[np.ndarray, "band row col"],
    t2: Float[np.ndarray, "band row col"],
    part: Part,
    rgb: Sequence[int],
    network: nn.Module | None,
) -> Float[Tensor, "distance row col"]:
    """Euclidean distance over all bands, and the features' at every level of a network."""
    spectral = on_device(np.sqrt(np.square(t1 - t2).sum(axis=0)), str(part.t1.device))
    if network is None:
        return spectral[None]
    return torch.cat([spectral[None], level_distances(network, part.dates(rgb))])
