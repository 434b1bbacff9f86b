"""What a method measured, and a method that is fitted and measures windows of a scene."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Float32

from metriccd.pair import Block
from metriccd.storage import storable

# Side of the tiles in which scenes are measured. With a halo of 60 pixels a fifth of the work is
# for context; larger tiles have less of it, but leave the cache and take longer.
TILE = 1024


@storable
@dataclass(frozen=True, kw_only=True)
class Difference:
    """What a method measured.

    Attributes:
        image: Change measure (row, col), larger = more change; NaN where not valid.
        components: What a classical method merged into `image`, where that was more than one
            band: rules on vectors work on them. NaN where not valid.
        floor: No threshold is lower: smaller values are rounding errors.
        probability: True where `image` is P_c in [0, 1], so that 0.5 means something.
        chi2_dof: Degrees of freedom where the square of `image` is χ²-distributed on unchanged
            pixels.
        history: Curves of the fit, step by step.
        facts: What the fit found out about the scene, for the record.
        warnings: What the user should know, a line each.
    """

    image: Float[np.ndarray, "row col"]
    components: Float32[np.ndarray, "component row col"] | None = field(default=None, repr=False)
    floor: float = 0.0
    probability: bool = False
    chi2_dof: int | None = None
    history: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    facts: Mapping[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@storable
@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A method fitted on a pair; it measures windows.

    Attributes:
        measure: A window of the pair with its context → components (component, row, col).
        merge: Components → one value a pixel, larger = more change.
        components: How many there are.
        leans: Whether one more layer follows the components: which way a pixel changed, > 0 where
            something appeared in t2, < 0 where something disappeared from t1.
        halo: Context that a window needs on each side, in pixels; a multiple of `stride`.
        stride: Windows must start at multiples of it.
        floor: As of a `Difference`, and so are all that follow.
        probability: True where values are P_c.
        chi2_dof: Degrees of freedom.
        history: Curves of the fit.
        facts: What it found out.
        warnings: What the user should know.
    """

    measure: Callable[[Block], Float[np.ndarray, "component row col"]]
    merge: Callable[[Float[np.ndarray, "component row col"]], Float[np.ndarray, "row col"]]
    components: int = 1
    leans: bool = False
    halo: int = 0
    stride: int = 1
    floor: float = 0.0
    probability: bool = False
    chi2_dof: int | None = None
    history: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    facts: Mapping[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def layers(self, block: Block) -> Float32[np.ndarray, "layer row col"]:
        """Change measure on a window, and which way it leans, if known; NaN where not valid."""
        measured = self.measure(block)
        layers = [self.merge(measured[: self.components]), *measured[self.components :]]
        return np.where(block.valid, np.stack(layers), np.nan).astype(np.float32)


def side_of(fitted: Fitted, *, multiple: int = 1) -> int:
    """Side, in pixels, of the tiles in which a fitted method measures a scene.

    Args:
        fitted: The method.
        multiple: The side is a multiple of it.
    """
    step = math.lcm(fitted.stride, multiple)
    return max(TILE // step, 1) * step
