"""Change objects of a scene of any size: connected regions, found block by block."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int32, Int64, Integer, Real
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.special import logit

from metriccd.raster import Grid, Window
from metriccd.storage import storable

# Side of the blocks, in pixels.
BLOCK = 2048

# Neighbors of a pixel: those across its edges, or across its corners too.
Connectivity = Literal[4, 8]
# Scores as near to 0 or 1 as this, or nearer, count as this when odds are taken of them.
EDGE = 2.0**-24
# A window's change map and score.
Read = Callable[[Window], tuple[Bool[np.ndarray, "row col"], Float32[np.ndarray, "row col"]]]


@storable
@dataclass(frozen=True, kw_only=True)
class Objects:
    """The objects of a scene, in the order of their first pixels, row by row.

    Attributes:
        pixels: Of each.
        area: Square meters; NaN where the grid does not tell areas.
        total: Sum of the score.
        log_odds: Sum of ln(score / (1 − score)), which is ln(d / t) of a score d / (d + t).
        highest: The score's maximum.
        valid: Valid pixels of the scene.
        connectivity: Of the objects.
        windows: The blocks.
        members: For each block, the object of each of its regions: label − 1 → object.
    """

    pixels: Int64[np.ndarray, " object"]
    area: Float64[np.ndarray, " object"]
    total: Float64[np.ndarray, " object"]
    log_odds: Float64[np.ndarray, " object"]
    highest: Float64[np.ndarray, " object"]
    valid: int
    connectivity: Connectivity
    windows: tuple[Window, ...] = field(repr=False)
    members: tuple[Int64[np.ndarray, " _region"], ...] = field(repr=False)


def find_objects(
    read: Read,
    grid: Grid,
    *,
    visit: Callable[[Window, Int32[np.ndarray, "row col"]], None] = lambda _window, _labels: None,
    connectivity: Connectivity = 4,
    size: int = BLOCK,
) -> Objects:
    """Finds the objects of a change map that is read block by block.

    Args:
        read: Change map and score of a window.
        grid: Where the pixels lie.
        visit: Called with each block and its regions: 0 is no change.
        connectivity: 4: pixels that share an edge are one object; 8: an edge or a corner.
        size: Side of the blocks.
    """
    windows = tuple(grid.windows(size))
    found: list[_Regions] = []
    valid = 0
    seams = _Seams(grid.width, connectivity)
    for window in windows:
        change, score = read(window)
        valid += int(np.count_nonzero(~np.isnan(score)))
        labels = regions(change, connectivity)
        visit(window, labels)
        first = sum(each.count for each in found[-1:]) + (found[-1].first if found else 0)
        areas = grid.pixel_areas(window) if labels.any() else None
        found.append(_Regions.of(labels, score, window, areas, grid.width, first))
        seams.add(window, labels, first)
    return _joined(found, seams.pairs, windows, valid=valid, connectivity=connectivity)


def sifted(read: Read, objects: Objects, stays: Bool[np.ndarray, " object"]) -> Read:
    """A change map of some of its objects; the score stays.

    Args:
        read: The change map and score of a window in which the objects were found.
        objects: What `find_objects` found.
        stays: True = the object stays.
    """

    def kept(
        window: Window,
    ) -> tuple[Bool[np.ndarray, "row col"], Float32[np.ndarray, "row col"]]:
        change, score = read(window)
        left = np.zeros_like(change)
        for block, members in zip(objects.windows, objects.members, strict=True):
            shared = _shared(block, window)
            if shared is not None:
                in_window, in_block = shared
                labels = regions(
                    change if block == window else read(block)[0], objects.connectivity
                )
                left[in_window] = np.append(False, stays[members])[labels][in_block]
        return left, score

    return kept


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
            slice(top - each.row, bottom - each.row),
            slice(left - each.col, right - each.col),
        )
        for each in (window, block)
    )
    return in_window, in_block


def regions(
    change: Bool[np.ndarray, "row col"], connectivity: Connectivity = 4
) -> Int32[np.ndarray, "row col"]:
    """Connected regions, numbered from 1; 0 is no change."""
    neighbors = ndimage.generate_binary_structure(2, 1 if connectivity == 4 else 2)
    labels, _ = ndimage.label(change, neighbors, output=np.int32)
    return np.asarray(labels)


@dataclass(frozen=True, kw_only=True)
class _Regions:
    """The regions of a block.

    Attributes:
        first: Regions of the blocks before.
        origin: Row-major position of each region's first pixel in the scene.
    """

    first: int
    origin: Int64[np.ndarray, " region"]
    pixels: Int64[np.ndarray, " region"]
    area: Float64[np.ndarray, " region"]
    total: Float64[np.ndarray, " region"]
    log_odds: Float64[np.ndarray, " region"]
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
        first: int,
    ) -> _Regions:
        rows, cols = np.nonzero(labels)
        inside = labels[rows, cols] - 1
        count = int(inside.max(initial=-1)) + 1
        values = score[rows, cols]
        area = np.full(count, np.nan)
        if areas is not None:
            area = _sums(inside, areas[rows, cols], count)
        origin = np.empty(count, np.int64)
        # Backwards, the first pixel of each region is written last.
        origin[inside[::-1]] = ((window.row + rows) * width + window.col + cols)[::-1]
        highest = np.full(count, -np.inf)
        np.maximum.at(highest, inside, values)
        return cls(
            first=first,
            origin=origin,
            pixels=np.bincount(inside, minlength=count),
            area=area,
            total=_sums(inside, values, count),
            log_odds=_sums(inside, log_odds(values), count),
            highest=highest,
        )


class _Seams:
    """Which regions of neighboring blocks touch.

    Attributes:
        pairs: Numbers of regions, counted over all blocks, that belong together.
    """

    def __init__(self, width: int, connectivity: Connectivity) -> None:
        self.pairs: list[Int64[np.ndarray, "2 _pair"]] = []
        self._steps = (0,) if connectivity == 4 else (-1, 0, 1)
        self._above = np.zeros(width, np.int64)
        self._left = np.zeros(0, np.int64)
        self._corner = 0  # above and left of the next block

    def add(self, window: Window, labels: Int32[np.ndarray, "row col"], first: int) -> None:
        """Takes the next block, in row-major order."""
        cols = slice(window.col, window.col + window.width)
        top, side = _numbered(labels[0], first), _numbered(labels[:, 0], first)
        above = np.concatenate([[self._corner], self._above[window.col :], [0]])
        for step in self._steps:
            if window.row > 0:
                self._join(above[1 + step :][: window.width], top)
            if window.col > 0:
                self._join(*_beside(self._left, side, step))
        self._corner = int(self._above[cols.stop - 1]) if cols.stop < self._above.size else 0
        self._above[cols] = _numbered(labels[-1], first)
        self._left = _numbered(labels[:, -1], first)

    def _join(self, one: Int64[np.ndarray, " edge"], other: Int64[np.ndarray, " edge"]) -> None:
        both = (one > 0) & (other > 0)
        if both.any():
            self.pairs.append(np.unique(np.stack([one[both], other[both]]) - 1, axis=1))


def _beside(
    left: Int64[np.ndarray, " edge"], right: Int64[np.ndarray, " edge"], step: int
) -> tuple[Int64[np.ndarray, " _edge"], Int64[np.ndarray, " _edge"]]:
    """Two columns side by side, the left one moved by `step` rows."""
    rows = len(left)
    return left[max(step, 0) : rows + min(step, 0)], right[max(-step, 0) : rows - max(step, 0)]


def log_odds(score: Float32[np.ndarray, " pixel"]) -> Float64[np.ndarray, " pixel"]:
    """ln(s / (1 − s)), finite also at 0 and 1."""
    odds: Float64[np.ndarray, " pixel"] = logit(np.clip(score.astype(np.float64), EDGE, 1 - EDGE))
    return odds


def _numbered(labels: Int32[np.ndarray, " edge"], first: int) -> Int64[np.ndarray, " edge"]:
    """Labels of a block counted over all blocks, from 1."""
    return np.where(labels > 0, labels.astype(np.int64) + first, 0)


def _joined(
    found: Sequence[_Regions],
    pairs: Sequence[Int64[np.ndarray, "2 _pair"]],
    windows: Sequence[Window],
    *,
    valid: int,
    connectivity: Connectivity,
) -> Objects:
    """Regions that touch across block edges as one object."""
    count = sum(each.count for each in found)
    one, other = np.concatenate([np.zeros((2, 0), np.int64), *pairs], axis=1)
    graph = coo_array((np.ones(len(one), np.int8), (one, other)), shape=(count, count))
    objects, member = connected_components(graph, directed=False)
    origin, pixels, area, total, odds, highest = (
        np.concatenate([getattr(each, name) for each in found])
        for name in ("origin", "pixels", "area", "total", "log_odds", "highest")
    )
    first = np.full(objects, np.iinfo(np.int64).max)
    np.minimum.at(first, member, origin)
    rank = np.empty(objects, np.int64)
    rank[np.argsort(first)] = np.arange(objects)
    member = rank[member]
    peak = np.full(objects, -np.inf)
    np.maximum.at(peak, member, highest)
    ends = np.cumsum([each.count for each in found])[:-1]
    return Objects(
        pixels=_sums(member, pixels, objects).astype(np.int64),
        area=_sums(member, area, objects),
        total=_sums(member, total, objects),
        log_odds=_sums(member, odds, objects),
        highest=peak,
        valid=valid,
        connectivity=connectivity,
        windows=tuple(windows),
        members=tuple(np.split(member, ends)),
    )


def _sums(
    group: Integer[np.ndarray, " value"], values: Real[np.ndarray, " value"], groups: int
) -> Float64[np.ndarray, " group"]:
    """Sum of the values of each group."""
    sums: Float64[np.ndarray, " group"] = np.bincount(group, weights=values, minlength=groups)
    return sums.astype(np.float64)  # without a value they are integers
