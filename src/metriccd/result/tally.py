"""Pixels of a result, counted window by window."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64, UInt8

from metriccd.decision import BLOCK
from metriccd.kinds import MOST, NONE, shown
from metriccd.raster import Grid, Window
from metriccd.report import TOP_LEVEL, quantize
from metriccd.result.rasters import VALUES, Part
from metriccd.scene import Maximum, factor_of

# Side of the cells in which clusters are counted, in pixels of the overview.
CELL = 64


@dataclass(frozen=True, kw_only=True)
class Tally:
    """Pixels of a result, counted window by window.

    Attributes:
        threshold: A score above it is change.
        changed: Changed pixels of each row of the scene.
        levels: Valid pixels at each level of `report.quantize`, by the kind of change that they
            are or would be; 0 where it is not known.
        overview: Largest score of each block of pixels.
        strongest: Level of the largest score of each block, times `VALUES`, plus its kind.
    """

    threshold: float
    changed: Int64[np.ndarray, " row"] = field(repr=False)
    levels: Int64[np.ndarray, "kind level"] = field(repr=False)
    overview: Maximum = field(repr=False)
    strongest: Maximum = field(repr=False)

    @classmethod
    def of(cls, shape: tuple[int, int], threshold: float) -> Tally:
        """An empty tally of a scene of `shape` (rows, cols)."""
        return cls(
            threshold=threshold,
            changed=np.zeros(shape[0], np.int64),
            levels=np.zeros((VALUES, TOP_LEVEL + 1), np.int64),
            overview=Maximum.of(shape),
            strongest=Maximum.of(shape),
        )

    def add(
        self,
        window: Window,
        change: Bool[np.ndarray, "row col"],
        score: Float32[np.ndarray, "row col"],
        kinds: UInt8[np.ndarray, "row col"] | None = None,
    ) -> None:
        """Counts a window, whose pixels are of these kinds, if they changed."""
        rows, _ = window.slices
        self.changed[rows] += change.sum(axis=1)
        # Small objects that were removed stay removed when the page applies the threshold.
        cleaned = np.where(change, score, np.minimum(score, np.float32(self.threshold)))
        self.overview.add(window, cleaned)
        valid = ~np.isnan(cleaned)
        levels = quantize(cleaned, self.threshold).astype(np.int64)
        if kinds is None:
            found = np.bincount(levels[valid], minlength=TOP_LEVEL + 1)
            np.add(self.levels[0], found, out=self.levels[0])
            return
        named = np.where(kinds < VALUES, kinds, NONE).astype(np.int64)
        # Exact in float32: there are fewer than 2²⁴ of them.
        ranked = np.where(valid, levels * VALUES + named, np.nan).astype(np.float32)
        self.strongest.add(window, ranked)
        flat = (named * (TOP_LEVEL + 1) + levels)[valid]
        counts = np.bincount(flat, minlength=self.levels.size).reshape(self.levels.shape)
        np.add(self.levels, counts, out=self.levels)

    @property
    def kind_map(self) -> UInt8[np.ndarray, "row col"] | None:
        """Kind of each block's largest score, as if it had changed; None where none is known."""
        strongest = self.strongest.array
        if np.isnan(strongest).all():
            return None
        kinds: UInt8[np.ndarray, "row col"]
        kinds = np.nan_to_num(strongest % VALUES).astype(np.uint8)
        return kinds

    def reduced(self, change: Bool[np.ndarray, "row col"]) -> Bool[np.ndarray, "_row _col"]:
        """A map at the size of the overview: True where any pixel of a block is."""
        overview = Maximum(factor=self.overview.factor, array=np.full_like(self.overview.array, 0))
        overview.add(Window.whole(change.shape), change.astype(np.float32))
        reduced: Bool[np.ndarray, "_row _col"] = overview.array > 0
        return reduced

    @property
    def pixels(self) -> tuple[int, int]:
        """How many changed, and how many were looked at."""
        return int(self.changed.sum()), int(self.levels.sum())


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
    """

    tally: Tally
    kinds: Census
    clusters: Census
    places: Places

    @classmethod
    def of(cls, shape: tuple[int, int], threshold: float) -> Accounts:
        """Empty ones of a scene of `shape` (rows, cols)."""
        return cls(
            tally=Tally.of(shape, threshold),
            kinds=Census(),
            clusters=Census(),
            places=Places.of(shape),
        )

    def add(self, window: Window, part: Part, grid: Grid) -> None:
        """Counts a window."""
        self.tally.add(window, part.change, part.score, part.kinds)
        if part.kinds is not None:
            self.kinds.add(shown(part.kinds, part.change))
        if part.clusters is not None:
            labels = shown(part.clusters, part.change)
            self.clusters.add(labels, grid.pixel_areas(window))
            self.places.add(window, labels)
