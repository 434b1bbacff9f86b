"""The stretch: which values of both dates are black and white, wherever they are shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Float32, Float64

# Dates are stretched between these percentiles for display.
DISPLAY_PERCENTILES = (2, 98)
# Of a stretch for both dates, what each must keep.
LEAST_SPAN = 0.15


@dataclass(frozen=True, kw_only=True, eq=False)
class Stretch:
    """Which values of red, green and blue are black and white, of both dates.

    Both share a stretch, so that an eye may compare them: from the lower of both dates' lower
    percentiles to the higher of their higher ones, band by band. Where one date would keep less
    than `LEAST_SPAN` of that in every band, as dates in different units do, each is stretched for
    itself.

    Attributes:
        own: Of t1 and of t2: the lower and the higher percentile of each band.
    """

    own: Float64[np.ndarray, "date=2 end=2 band=3"]

    @classmethod
    def of(cls, t1: Float[np.ndarray, "3 row col"], t2: Float[np.ndarray, "3 row col"]) -> Stretch:
        """Of two dates in any unit, NaN where invalid."""
        return cls(own=np.stack([limits(t1), limits(t2)]))

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> Stretch | None:
        """The one by which a result's pictures were made; None where the record does not tell."""
        try:
            own = np.array(record["display"]["limits"], np.float64)
        except (KeyError, TypeError, ValueError):
            return None
        return cls(own=own) if own.shape == (2, 2, 3) and np.isfinite(own).all() else None

    def record(self) -> dict[str, Any]:
        """What `run.json` says of it."""
        return {"stretch": "one" if self.shared else "each", "limits": self.own.tolist()}

    @cached_property
    def shared(self) -> bool:
        """Whether both dates are stretched alike."""
        low, high = self._ends
        floor, top = low.min(axis=0), high.max(axis=0)
        share = (high - low) / np.where(top > floor, top - floor, 1)
        # A date without any contrast has none on a stretch of its own either.
        plain = (high <= low).all(axis=1)
        return bool(((share >= LEAST_SPAN).any(axis=1) | plain).all())

    def applied(
        self,
        image: Float[np.ndarray, "3 row col"],
        date: Literal[0, 1],
        way: Literal["one", "each"] = "one",
    ) -> Float32[np.ndarray, "3 row col"]:
        """An image in [0, 1], NaN where it was.

        Args:
            image: In the unit of its date.
            date: 0 for t1, 1 for t2.
            way: "one" for both dates alike, if they can be; "each" for each by itself.
        """
        low, high = self._ends
        if way == "one" and self.shared:
            low, high = np.broadcast_to(low.min(axis=0), low.shape), high.max(axis=0)[None]
            high = np.broadcast_to(high, low.shape)
        floor, top = low[date][:, None, None], high[date][:, None, None]
        scaled: Float32[np.ndarray, "3 row col"]
        scaled = np.clip((image - floor) / np.where(top > floor, top - floor, 1), 0, 1).astype(
            np.float32
        )
        return scaled

    @property
    def _ends(self) -> tuple[Float64[np.ndarray, "date band"], Float64[np.ndarray, "date band"]]:
        return self.own[:, 0], self.own[:, 1]


def stretched(
    t1: Float[np.ndarray, "3 row col"], t2: Float[np.ndarray, "3 row col"]
) -> tuple[Float32[np.ndarray, "3 row col"], Float32[np.ndarray, "3 row col"]]:
    """Two dates in any unit for display in [0, 1], NaN where they were."""
    stretch = Stretch.of(t1, t2)
    return stretch.applied(t1, 0), stretch.applied(t2, 1)


def limits(image: Float[np.ndarray, "3 row col"]) -> Float64[np.ndarray, "end band=3"]:
    """Lower and higher percentile of each band over the valid pixels; 0 and 1 without any."""
    values = image[:, ~np.isnan(image).any(axis=0)]
    if not values.size:
        return np.array([[0.0] * 3, [1.0] * 3])
    found: Float64[np.ndarray, "end band=3"]
    found = np.percentile(values, DISPLAY_PERCENTILES, axis=1).astype(np.float64)
    return found
