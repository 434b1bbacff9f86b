"""Change objects of a scene of any size: 4-connected regions, found block by block."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int32, Int64, Integer, Real
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from metriccd.errors import GridError
from metriccd.raster import Grid, Window

# Side of the blocks, in pixels.
BLOCK = 2048

# A window's change map and score.
Read = Callable[[Window], tuple[Bool[np.ndarray, "row col"], Float32[np.ndarray, "row col"]]]


@dataclass(frozen=True, kw_only=True)
class Objects:
    """The objects of a scene, in the order of their first pixels, row by row.

    Attributes:
        pixels: Of each.
        area: Square meters; NaN where the grid does not tell areas.
        total: Sum of the score.
        highest: Its maximum.
        windows: The blocks.
        members: For each block, the object of each of its regions: label − 1 → object.
    """

    pixels: Int64[np.ndarray, " object"]
    area: Float64[np.ndarray, " object"]
    total: Float64[np.ndarray, " object"]
    highest: Float64[np.ndarray, " object"]
    windows: tuple[Window, ...] = field(repr=False)
    members: tuple[Int64[np.ndarray, " _region"], ...] = field(repr=False)


def find_objects(
    read: Read,
    grid: Grid,
    *,
    visit: Callable[[Window, Int32[np.ndarray, "row col"]], None] = lambda _window, _labels: None,
    size: int = BLOCK,
) -> Objects:
    """Finds the objects of a change map that is read block by block.

    Args:
        read: Change map and score of a window.
        grid: Where the pixels lie.
        visit: Called with each block and its regions: 0 is no change.
        size: Side of the blocks.
    """
    windows = tuple(grid.windows(size))
    blocks: list[_Regions] = []
    seams, first = _Seams(grid.width), 0
    for window in windows:
        change, score = read(window)
        labels = regions(change)
        visit(window, labels)
        areas = grid.pixel_areas(window) if labels.any() else None
        blocks.append(_Regions.of(labels, score, window, areas, grid.width))
        seams.add(window, labels, first)
        first += blocks[-1].count
    return _joined(blocks, seams.pairs, windows)


def require_areas(grid: Grid) -> None:
    """Refuses a grid on which areas are unknown.

    Raises:
        GridError: It has no CRS, or one that tells no length.
    """
    if not grid.has_areas:
        what = "have none" if grid.crs is None else "have one that tells no length"
        raise GridError(
            f"--min-area needs a CRS to know areas: these images {what}; use --min-pixels"
        )


def without_small(
    read: Read, grid: Grid, min_area: float = 0.0, *, min_pixels: int = 0, size: int = BLOCK
) -> Read:
    """A change map without small objects; the score stays.

    Args:
        read: Change map and score of a window.
        grid: Where the pixels lie.
        min_area: Objects of fewer square meters are dropped.
        min_pixels: Objects of fewer pixels are dropped.
        size: Side of the blocks.

    Raises:
        GridError: A smallest area is asked for, and areas are unknown.
    """
    if min_area > 0:
        require_areas(grid)
    objects = find_objects(read, grid, size=size)
    large_enough = objects.pixels >= min_pixels
    if min_area > 0:
        large_enough &= objects.area >= min_area

    def read_large(
        window: Window,
    ) -> tuple[Bool[np.ndarray, "row col"], Float32[np.ndarray, "row col"]]:
        change, score = read(window)
        large = np.zeros_like(change)
        for block, members in zip(objects.windows, objects.members, strict=True):
            overlap = _shared(block, window)
            if overlap is not None:
                in_window, in_block = overlap
                labels = regions(read(block)[0])
                is_large = np.append(False, large_enough[members])
                large[in_window] = is_large[labels][in_block]
        return large, score

    return read_large


def _shared(
    block: Window, window: Window
) -> tuple[tuple[slice, slice], tuple[slice, slice]] | None:
    """Slices of what two windows share, within the second and within the first."""
    top, left = max(block.row, window.row), max(block.col, window.col)
    bottom = min(block.row + block.height, window.row + window.height)
    right = min(block.col + block.width, window.col + window.width)
    if top >= bottom or left >= right:
        return None
    in_window, in_block = (
        (
            slice(top - origin.row, bottom - origin.row),
            slice(left - origin.col, right - origin.col),
        )
        for origin in (window, block)
    )
    return in_window, in_block


def regions(change: Bool[np.ndarray, "row col"]) -> Int32[np.ndarray, "row col"]:
    """4-connected regions, numbered from 1; 0 is no change."""
    labels, _ = ndimage.label(change, output=np.int32)
    return np.asarray(labels)


@dataclass(frozen=True, kw_only=True)
class _Regions:
    """The regions of a block.

    Attributes:
        origin: Row-major position of each region's first pixel in the scene.
    """

    origin: Int64[np.ndarray, " region"]
    pixels: Int64[np.ndarray, " region"]
    area: Float64[np.ndarray, " region"]
    total: Float64[np.ndarray, " region"]
    highest: Float64[np.ndarray, " region"]

    @property
    def count(self) -> int:
        return len(self.pixels)

    @classmethod
    def of(
        cls,
        labels: Int32[np.ndarray, "row col"],
        score: Float32[np.ndarray, "row col"],
        window: Window,
        areas: Float64[np.ndarray, "row col"] | None,
        width: int,
    ) -> _Regions:
        rows, cols = np.nonzero(labels)
        region = labels[rows, cols] - 1
        count = int(region.max(initial=-1)) + 1
        values = score[rows, cols]
        area = np.full(count, np.nan)
        if areas is not None:
            area = _sums(region, areas[rows, cols], count)
        origin = np.empty(count, np.int64)
        # Backwards, the first pixel of each region is written last.
        origin[region[::-1]] = ((window.row + rows) * width + window.col + cols)[::-1]
        highest = np.full(count, -np.inf)
        np.maximum.at(highest, region, values)
        return cls(
            origin=origin,
            pixels=np.bincount(region, minlength=count),
            area=area,
            total=_sums(region, values, count),
            highest=highest,
        )


class _Seams:
    """Which regions of neighboring blocks touch.

    Attributes:
        pairs: Numbers of regions, counted over all blocks, that belong together.
    """

    def __init__(self, width: int) -> None:
        self.pairs: list[Int64[np.ndarray, "2 _pair"]] = []
        self._above = np.zeros(width, np.int64)
        self._left = np.zeros(0, np.int64)

    def add(self, window: Window, labels: Int32[np.ndarray, "row col"], first: int) -> None:
        """Takes the next block, in row-major order."""
        cols = slice(window.col, window.col + window.width)
        if window.row > 0:
            self._join(self._above[cols], _numbered(labels[0], first))
        if window.col > 0:
            self._join(self._left, _numbered(labels[:, 0], first))
        self._above[cols] = _numbered(labels[-1], first)
        self._left = _numbered(labels[:, -1], first)

    def _join(self, edge1: Int64[np.ndarray, " edge"], edge2: Int64[np.ndarray, " edge"]) -> None:
        edges = np.stack([edge1, edge2])
        touching = (edges > 0).all(axis=0)
        if touching.any():
            self.pairs.append(np.unique(edges[:, touching] - 1, axis=1))


def _numbered(labels: Int32[np.ndarray, " edge"], first: int) -> Int64[np.ndarray, " edge"]:
    """Labels of a block counted over all blocks, from 1."""
    return np.where(labels > 0, labels.astype(np.int64) + first, 0)


def _joined(
    blocks: Sequence[_Regions],
    pairs: Sequence[Int64[np.ndarray, "2 _pair"]],
    windows: Sequence[Window],
) -> Objects:
    """Regions that touch across block edges as one object."""
    count = sum(block.count for block in blocks)
    regions1, regions2 = np.concatenate([np.zeros((2, 0), np.int64), *pairs], axis=1)
    graph = coo_array((np.ones(len(regions1), np.int8), (regions1, regions2)), shape=(count, count))
    objects, member = connected_components(graph, directed=False)
    origin, pixels, area, total, highest = (
        np.concatenate([getattr(block, name) for block in blocks])
        for name in ("origin", "pixels", "area", "total", "highest")
    )
    first = np.full(objects, np.iinfo(np.int64).max)
    np.minimum.at(first, member, origin)
    rank = np.empty(objects, np.int64)
    rank[np.argsort(first)] = np.arange(objects)
    member = rank[member]
    peak = np.full(objects, -np.inf)
    np.maximum.at(peak, member, highest)
    ends = np.cumsum([block.count for block in blocks])[:-1]
    return Objects(
        pixels=_sums(member, pixels, objects).astype(np.int64),
        area=_sums(member, area, objects),
        total=_sums(member, total, objects),
        highest=peak,
        windows=tuple(windows),
        members=tuple(np.split(member, ends)),
    )


def _sums(
    group: Integer[np.ndarray, " value"], values: Real[np.ndarray, " value"], groups: int
) -> Float64[np.ndarray, " group"]:
    """Sum of the values of each group."""
    sums: Float64[np.ndarray, " group"] = np.bincount(group, weights=values, minlength=groups)
    return sums.astype(np.float64)  # without a value they are integers
