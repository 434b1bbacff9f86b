"""Standardized parts of a scene: what stands for it when statistics are made."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32
from torch import Tensor

from metriccd.nets import MEAN, SPREAD, on_device
from metriccd.storage import storable


class Part(NamedTuple):
    """A window of a scene.

    Attributes:
        t1: First image in the colors of the second, standardized.
        t2: Second image, standardized.
        valid: Pixels that count.
    """

    t1: Float[Tensor, "band row col"]
    t2: Float[Tensor, "band row col"]
    valid: Bool[Tensor, "row col"]

    def dates(self, rgb: Sequence[int]) -> Float[Tensor, "2 3 row col"]:
        """Red, green and blue of both."""
        return torch.stack([self.t1[list(rgb)], self.t2[list(rgb)]])


@storable
@dataclass(frozen=True, kw_only=True)
class Standard:
    """Bands of mean 0.3 over both dates, and 0.15 the mean of the bands' deviations.

    One gain for all bands keeps colors what they are; the mean is what the embedded extractor
    expects.

    Attributes:
        mean: Of each band, over both dates.
        gain: Of all bands.
    """

    mean: Float32[np.ndarray, "band 1 1"]
    gain: float

    @classmethod
    def fit(
        cls,
        dates: Iterable[Float[np.ndarray, "band _row _col"]],
        valids: Iterable[Bool[np.ndarray, "_row _col"]],
    ) -> Standard:
        """From both dates of all parts of a scene, each with its valid pixels."""
        pixels = [image[:, valid] for image, valid in zip(dates, valids, strict=True)]
        values = np.concatenate(pixels, axis=1)
        spread = float(values.std(axis=1, dtype=np.float64).mean())
        return cls(
            mean=values.mean(axis=1, dtype=np.float64).astype(np.float32)[:, None, None],
            gain=SPREAD / max(spread, float(np.finfo(np.float32).tiny)),
        )

    def __call__(
        self,
        t1: Float[np.ndarray, "band row col"],
        t2: Float[np.ndarray, "band row col"],
        valid: Bool[np.ndarray, "row col"],
        device: str = "cpu",
    ) -> Part:
        """Both dates standardized, on a device; 0.3 where not valid."""
        mask, mean = on_device(valid, device), on_device(self.mean, device)
        date1, date2 = (
            torch.where(mask, (on_device(image, device) - mean) * self.gain, 0.0) + MEAN
            for image in (t1, t2)
        )
        return Part(date1, date2, mask)


def inside(
    images: Float[Tensor, "channel row col"], valid: Bool[Tensor, "row col"]
) -> Float[Tensor, "channel pixel"]:
    """The valid pixels."""
    return images.flatten(1) if bool(valid.all()) else images[:, valid]


def mean_of(
    maps: Sequence[Float[Tensor, "_row _col"]], valids: Sequence[Bool[Tensor, "_row _col"]]
) -> float:
    """Mean of maps over what is valid in all of them together."""
    total = sum(
        float(values[valid].sum(dtype=torch.float64))
        for values, valid in zip(maps, valids, strict=True)
    )
    return total / max(sum(int(valid.sum()) for valid in valids), 1)
