"""What the report shows, as arrays and plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float, Int, UInt8

from metriccd.raster import Grid
from metriccd.report.objects import Objects


@dataclass(frozen=True, kw_only=True)
class ReportData:
    """What the report shows. Images, score and kinds are overviews of the result.

    Attributes:
        t1: Before; red, green, blue for display in [0, 1], NaN where invalid.
        t2: After, likewise.
        score: Largest change score of each block, in [0, 1], NaN where invalid.
        threshold: A score above it is change.
        rule: What chose the threshold, for example "otsu", or "fixed".
        grid: Where the pixels of the result lie.
        pixel_area: Square meters of a pixel of the result; None where areas are unknown.
        levels: Valid pixels of the result at each level of `quantize`, by the value of what kind
            of change they are or would be; 0 where kinds are not known.
        kinds: Kind of change → changed pixels of it, the most frequent first.
        kind_map: Kind of each block's largest score, as if it had changed; None where unknown.
        objects: Those that are listed.
        clusters: As in `run.json`, each with its "chips": pictures before and after, or none.
        record: `run.json`, as far as it is known: inputs, dates, settings, warnings.
        convergence: Curve name → value per step; empty when nothing was fitted.
        stages: Stage, seconds, peak memory in MiB.
        files: Names of the files beside the report.
        folder: Name of the result's folder, for the command that the page shows.

    Raises:
        ValueError: Arrays differ in rows or columns, a score lies outside [0, 1], or the threshold
            is not finite.
    """

    t1: Float[np.ndarray, "3 row col"] = field(repr=False)
    t2: Float[np.ndarray, "3 row col"] = field(repr=False)
    score: Float[np.ndarray, "row col"] = field(repr=False)
    threshold: float
    rule: str
    grid: Grid
    pixel_area: float | None
    levels: Int[np.ndarray, "kind level=65536"] = field(repr=False)
    kinds: Mapping[str, int] = field(default_factory=dict)
    kind_map: UInt8[np.ndarray, "row col"] | None = field(default=None, repr=False)
    objects: Objects = field(default_factory=Objects)
    clusters: Sequence[Mapping[str, Any]] = ()
    record: Mapping[str, Any] = field(default_factory=dict, repr=False)
    convergence: Mapping[str, Sequence[float]] = field(default_factory=dict)
    stages: Sequence[tuple[str, float, float]] = ()
    files: Sequence[str] = ()
    folder: str = "OUT"

    @property
    def basis(self) -> str:
        """What is known of how the threshold was chosen, and by what the score was learned."""
        if is_supervised(self.record):
            return "supervised"
        return "set by hand" if self.rule == "fixed" else "label-free"

    @property
    def own(self) -> bool:
        """Whether a fixed threshold is the method's own: nobody gave it."""
        return self.rule == "fixed" and self.record.get("automatic") == self.threshold

    def __post_init__(self) -> None:
        shapes = [self.t1.shape[1:], self.t2.shape[1:], self.score.shape]
        if len(set(shapes)) > 1:
            raise ValueError(f"report arrays must share rows and columns, got {shapes}: align them")
        score = self.score[~np.isnan(self.score)]
        if score.size and not (score.min() >= 0 and score.max() <= 1):
            raise ValueError(
                f"scores must lie in [0, 1], got {score.min():.3g} to {score.max():.3g}: scale them"
            )
        if not np.isfinite(self.threshold):
            raise ValueError(f"threshold must be finite, got {self.threshold}: pass a number")


def is_supervised(record: Mapping[str, Any]) -> bool:
    """Whether references of other places taught the method of a result."""
    return bool(record.get("settings", {}).get("supervised"))


def method_of(record: Mapping[str, Any]) -> str:
    """The method of a result, so that nobody takes a supervised one for label-free; "" = none."""
    method = str(record.get("settings", {}).get("method") or "")
    return f"{method} (supervised)" if is_supervised(record) else method
