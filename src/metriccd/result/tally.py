"""Pixels of a result, counted window by window."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64, UInt8

from metriccd.raster import Window
from metriccd.result.report import TOP_LEVEL, quantize
from metriccd.scene import Maximum


@dataclass(frozen=True, kw_only=True)
class Tally:
    """Pixels of a result, counted window by window.

    Attributes:
        threshold: A score above it is change.
        changed: Changed pixels of each row of the scene.
        levels: Valid pixels at each level of `report.quantize`.
        overview: Largest score of each block of pixels.
    """

    threshold: float
    changed: Int64[np.ndarray, " row"] = field(repr=False)
    levels: Int64[np.ndarray, " level"] = field(repr=False)
    overview: Maximum = field(repr=False)

    @classmethod
    def of(cls, shape: tuple[int, int], threshold: float) -> Tally:
        """An empty tally of a scene of `shape` (rows, cols)."""
        return cls(
            threshold=threshold,
            changed=np.zeros(shape[0], np.int64),
            levels=np.zeros(TOP_LEVEL + 1, np.int64),
            overview=Maximum.of(shape),
        )

    def add(
        self,
        window: Window,
        change: Bool[np.ndarray, "row col"],
        score: Float32[np.ndarray, "row col"],
    ) -> None:
        """Counts a window."""
        rows, _ = window.slices
        self.changed[rows] += change.sum(axis=1)
        # Small objects that were removed stay removed when the page applies the threshold.
        cleaned = np.where(change, score, np.minimum(score, np.float32(self.threshold)))
        self.overview.add(window, cleaned)
        valid_scores = cleaned[~np.isnan(cleaned)]
        levels = np.bincount(quantize(valid_scores, self.threshold), minlength=TOP_LEVEL + 1)
        np.add(self.levels, levels, out=self.levels)

    def reduced(self, reference: Bool[np.ndarray, "row col"]) -> Bool[np.ndarray, "_row _col"]:
        """A reference at the size of the overview: True where any pixel of a block is."""
        overview = Maximum(factor=self.overview.factor, array=np.full_like(self.overview.array, 0))
        overview.add(Window.whole(reference.shape), reference.astype(np.float32))
        reduced: Bool[np.ndarray, "_row _col"] = overview.array > 0
        return reduced

    def summary(self) -> dict[str, Any]:
        """Counts and share."""
        changed, valid = int(self.changed.sum()), int(self.levels.sum())
        return {
            "changed_pixels": changed,
            "valid_pixels": valid,
            "changed_share": changed / max(valid, 1),
        }


@dataclass(frozen=True, kw_only=True)
class Census:
    """Pixels and areas of each class, counted window by window.

    Attributes:
        pixels: Of each value of a byte.
        area: In square meters; 0 where areas are unknown.
    """

    pixels: Int64[np.ndarray, " value"] = field(default_factory=lambda: np.zeros(256, np.int64))
    area: Float64[np.ndarray, " value"] = field(default_factory=lambda: np.zeros(256))

    def add(
        self,
        labels: UInt8[np.ndarray, "row col"],
        areas: Float64[np.ndarray, "row col"] | None = None,
    ) -> None:
        """Counts a window, and the areas of its pixels."""
        flat = labels.reshape(-1)
        np.add(self.pixels, np.bincount(flat, minlength=256), out=self.pixels)
        if areas is not None:
            sums = np.bincount(flat, weights=areas.reshape(-1), minlength=256)
            np.add(self.area, sums, out=self.area)
