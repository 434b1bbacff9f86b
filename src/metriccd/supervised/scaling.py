"""How values become what a network sees: whole-image z-scores, or fixed quantiles."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Float64

from metriccd.errors import DataError
from metriccd.storage import storable

# Reflectance times 10,000 between which SeCo's authors scale the bands of OSCD (their quantiles).
REFLECTANCE: dict[str, tuple[float, float]] = {
    "B02": (885.0, 2620.0),
    "B03": (667.0, 2969.0),
    "B04": (426.0, 3698.0),
}
PICTURE = (0.0, 255.0)


@storable
@dataclass(frozen=True)
class Standard:
    """Mean and standard deviation of each band of one date of a scene.

    Attributes:
        mean: Of valid pixels.
        deviation: Likewise; 1 where a band is constant.
    """

    mean: Float32[np.ndarray, " band"]
    deviation: Float32[np.ndarray, " band"]

    @classmethod
    def of(
        cls, parts: Iterable[tuple[Float32[np.ndarray, "band _ _"], Bool[np.ndarray, "_ _"]]]
    ) -> Standard:
        """Measures images and their valid pixels, part by part."""
        count, mean, square = 0, np.zeros(1), np.zeros(1)
        for image, valid in parts:
            pixels: Float64[np.ndarray, "band _"] = image[:, valid].astype(np.float64)
            if not pixels.size:
                continue
            # Chan, Golub & LeVeque: sums of squares would lose what small deviations are.
            added, center = pixels.shape[1], pixels.mean(axis=1)
            square = square + ((pixels - center[:, None]) ** 2).sum(axis=1)
            square = square + (center - mean) ** 2 * (count * added / (count + added))
            mean = mean + (center - mean) * (added / (count + added))
            count += added
        deviation = np.sqrt(square / max(count, 1))
        deviation[deviation == 0] = 1
        return cls(mean.astype(np.float32), deviation.astype(np.float32))

    def __call__(
        self, image: Float32[np.ndarray, "band row col"], valid: Bool[np.ndarray, "row col"]
    ) -> Float32[np.ndarray, "band row col"]:
        """z-scores, 0 where not valid."""
        scores = (image - self.mean[:, None, None]) / self.deviation[:, None, None]
        return np.where(valid, scores, 0).astype(np.float32)


@storable
@dataclass(frozen=True)
class Ranges:
    """The values of each band that become 0 and 1; what lies beyond is cut.

    Attributes:
        low: Of each band.
        high: Likewise.
    """

    low: Float32[np.ndarray, " band"]
    high: Float32[np.ndarray, " band"]

    @classmethod
    def of(cls, pairs: Iterable[tuple[float, float]]) -> Ranges:
        """From both ends, band by band."""
        low, high = np.array(list(pairs), np.float32).T
        return cls(low, high)

    def __call__(
        self, image: Float32[np.ndarray, "band row col"], valid: Bool[np.ndarray, "row col"]
    ) -> Float32[np.ndarray, "band row col"]:
        """Values in [0, 1], 0 where not valid."""
        low, high = self.low[:, None, None], self.high[:, None, None]
        return np.where(valid, np.clip((image - low) / (high - low), 0, 1), 0).astype(np.float32)

    def beyond(
        self, image: Float32[np.ndarray, "band row col"], valid: Bool[np.ndarray, "row col"]
    ) -> int:
        """How many valid pixels have a band that is cut by half a range or more."""
        margin = (self.high - self.low)[:, None, None] / 2
        low, high = self.low[:, None, None] - margin, self.high[:, None, None] + margin
        cut = ((image < low) | (image > high)).any(axis=0)
        return int((cut & valid).sum())


def ranges_of(names: list[str], largest: float) -> list[tuple[float, float]]:
    """What SeCo's set-up scales bands by: pictures by their 8 bits, else the authors' quantiles.

    Args:
        names: Of red, green and blue.
        largest: Value of all pixels.

    Raises:
        DataError: Values are no picture's, and bands not the ones that quantiles are known of.
    """
    if largest <= PICTURE[1]:
        return [PICTURE] * len(names)
    if not set(names) <= REFLECTANCE.keys():
        raise DataError(
            f"values up to {largest:g} are scaled by quantiles, known of {', '.join(REFLECTANCE)}: "
            f"got {', '.join(names)}; choose --bands B04,B03,B02, or pictures of 8 bits"
        )
    return [REFLECTANCE[name] for name in names]
