"""Bands brought to mean 0 and standard deviation 1, each date by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64

from metriccd.pair import Block
from metriccd.storage import storable

# Of a band's root mean square: a standard deviation below is rounding.
FLAT = 1e-6


@storable
@dataclass(frozen=True, kw_only=True)
class Standard:
    """What a gain and an offset of either date does not change.

    Attributes:
        center: Mean of every band at t1 and at t2.
        gain: One over its standard deviation; 0 where there is none.
    """

    center: Float64[np.ndarray, "2 band"]
    gain: Float64[np.ndarray, "2 band"]

    @classmethod
    def of(cls, parts: Sequence[Block]) -> Standard:
        """From the valid pixels of parts that stand for a scene, of which there are some."""
        dates = [
            np.concatenate([part[date][:, part.valid] for part in parts], axis=1, dtype=np.float64)
            for date in (0, 1)
        ]
        center = np.stack([pixels.mean(axis=1) for pixels in dates])
        spread = np.stack([pixels.std(axis=1) for pixels in dates])
        varies = spread > FLAT * np.hypot(center, spread)
        return cls(center=center, gain=np.where(varies, 1 / np.where(varies, spread, 1), 0))

    def __call__(self, block: Block) -> Float32[np.ndarray, "2 band row col"]:
        """Both dates of a window; 0, which is the mean, where not valid."""
        dates = np.stack([block.t1, block.t2]).astype(np.float32, copy=False)
        standard = (dates - self.center[..., None, None]) * self.gain[..., None, None]
        standard *= block.valid
        found: Float32[np.ndarray, "2 band row col"] = standard.astype(np.float32)
        return found


@storable
def only(
    components: Float32[np.ndarray, "1 row col"],
) -> Float32[np.ndarray, "row col"]:
    """The component that there is."""
    image: Float32[np.ndarray, "row col"] = components[0]
    return image
