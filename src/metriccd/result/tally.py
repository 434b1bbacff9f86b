"""Pixels of a result, counted window by window."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int64, UInt8, UInt16

from metriccd.decision import BLOCK
from metriccd.kinds import MOST, NODATA, NONE, shown
from metriccd.raster import Grid, Window
from metriccd.result.rasters import Part
from metriccd.scene import Maximum, factor_of

TOP_LEVEL = 65535
# Side of the cells in which clusters are counted, in pixels of the overview.
CELL = 64


def quantize(score: Float[np.ndarray, "*shape"], threshold: float) -> UInt16[np.ndarray, "*shape"]:
    """16-bit levels of scores that keep every pixel on its side of the threshold.

    Level = score·65535, rounded, then moved by at most one so that `level > ⌊threshold·65535⌋`
    holds exactly where `score > threshold`. A level over 65535 is within 1/65535 of its score.
    For a result read in parts, sum `np.bincount(quantize(part[valid], threshold),
    minlength=65536)` to get `ReportData.levels`.

    Args:
        score: Scores in [0, 1]; NaN becomes level 0.
        threshold: Score above which a pixel is change.

    Returns:
        Levels from 0 to 65535.
    """
    level = np.rint(np.nan_to_num(score).astype(np.float64) * TOP_LEVEL)
    edge = np.floor(threshold * TOP_LEVEL)
    # The caller's own comparison, in the score's own precision, decides the side.
    level = np.where(score > threshold, np.maximum(level, edge + 1), np.minimum(level, edge))
    clipped: UInt16[np.ndarray, "*shape"] = np.clip(level, 0, TOP_LEVEL).astype(np.uint16)
    return clipped


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

    def reduced(self, change: Bool[np.ndarray, "row col"]) -> Bool[np.ndarray, "_row _col"]:
        """A map at the size of the overview: True where any pixel of a block is."""
        overview = Maximum(factor=self.overview.factor, array=np.full_like(self.overview.array, 0))
        overview.add(Window.whole(change.shape), change.astype(np.float32))
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

    @classmethod
    def of(cls, labels: UInt8[np.ndarray, "row col"], grid: Grid) -> Census:
        """Counts a whole scene."""
        census = cls()
        for window in grid.windows(BLOCK):
            census.add(labels[window.slices], grid.pixel_areas(window))
        return census

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


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where each cluster lies: its pixels in cells of `CELL` × `CELL` pixels of the overview.

    Attributes:
        side: Of a cell, in pixels of the scene.
        counts: Changed pixels of each cluster in each cell.
    """

    side: int
    counts: Int64[np.ndarray, "cluster row col"] = field(repr=False)

    @classmethod
    def of(cls, shape: tuple[int, int]) -> Places:
        """Empty cells of a scene of `shape` (rows, cols)."""
        side = CELL * factor_of(shape)
        rows, cols = (-(-length // side) for length in shape)
        return cls(side=side, counts=np.zeros((MOST, rows, cols), np.int64))

    def add(self, window: Window, labels: UInt8[np.ndarray, "row col"]) -> None:
        """Counts a window; 0 is no change."""
        rows, cols = np.nonzero((labels > 0) & (labels <= MOST))
        places = (
            labels[rows, cols].astype(np.int64) - 1,
            (rows + window.row) // self.side,
            (cols + window.col) // self.side,
        )
        flat = np.ravel_multi_index(places, self.counts.shape)
        added = np.bincount(flat, minlength=self.counts.size).reshape(self.counts.shape)
        np.add(self.counts, added, out=self.counts)

    def densest(self, cluster: int) -> tuple[int, int] | None:
        """First row and column, in the overview, of the cell with most of a cluster."""
        cells = self.counts[cluster - 1]
        if not cells.any():
            return None
        row, col = np.unravel_index(int(cells.argmax()), cells.shape)
        return CELL * int(row), CELL * int(col)


@dataclass(frozen=True, kw_only=True)
class Accounts:
    """All that is counted of a result while its rasters are written.

    Attributes:
        tally: Of the scores.
        kinds: Of kinds of change.
        clusters: Of clusters.
        places: Where clusters lie.
        seen: Kinds as pictures show them.
    """

    tally: Tally
    kinds: Census
    clusters: Census
    places: Places
    seen: Maximum

    @classmethod
    def of(cls, shape: tuple[int, int], threshold: float) -> Accounts:
        """Empty ones of a scene of `shape` (rows, cols)."""
        return cls(
            tally=Tally.of(shape, threshold),
            kinds=Census(),
            clusters=Census(),
            places=Places.of(shape),
            seen=Maximum.of(shape),
        )

    def add(self, window: Window, part: Part, grid: Grid) -> None:
        """Counts a window."""
        self.tally.add(window, part.change, part.score)
        if part.kinds is not None:
            labels = shown(part.kinds, part.change)
            self.kinds.add(labels)
            self.seen.add(window, np.where(labels == NODATA, NONE, labels).astype(np.float32))
        if part.clusters is not None:
            labels = shown(part.clusters, part.change)
            self.clusters.add(labels, grid.pixel_areas(window))
            self.places.add(window, labels)

    @property
    def picture(self) -> UInt8[np.ndarray, "row col"] | None:
        """The kinds of the overview, 0 where nothing changed; None where they are not known."""
        if np.isnan(self.seen.array).all():
            return None
        picture: UInt8[np.ndarray, "row col"] = np.nan_to_num(self.seen.array).astype(np.uint8)
        return picture
