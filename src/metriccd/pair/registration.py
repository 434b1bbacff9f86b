"""Registration: where t2's pixels are read from, once it is known how far it lies off t1."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float, Float32
from scipy.ndimage import binary_erosion, map_coordinates

from metriccd.raster import Grid, Raster, Shapes, Window
from metriccd.storage import storable

# Pixels around a window that a cubic spline needs to be that of the whole to 1 in 30,000.
REACH = 8

Read = Callable[[Window], tuple[Float32[np.ndarray, "band row col"], Bool[np.ndarray, "row col"]]]


@storable
@dataclass(frozen=True, kw_only=True)
class Registration:
    """How t2 is moved before it is compared.

    Attributes:
        mode: "none" (left as it is), "global" (one shift) or "local" (a smooth field).
        row: Rows by which t2's content lies below t1's.
        col: Columns by which it lies to the right.
        error: Standard error of both, in pixels.
        before: Correlation of both dates' edges as they were.
        after: The same as t2 is read now.
        note: Why nothing was done, or not all that was asked for; empty otherwise.
        shape: Rows and columns of the pair.
        shifts: Rows and columns in addition, at nodes spread evenly over the pair.
        inset: Pixels from the pair's edges to the outermost nodes.
    """

    mode: str
    row: float
    col: float
    error: float
    before: float
    after: float
    shape: tuple[int, int]
    note: str = ""
    shifts: Float[np.ndarray, "2 node_row node_col"] | None = field(default=None, repr=False)
    inset: float = 0.0

    @property
    def facts(self) -> dict[str, object]:
        """For the record."""
        facts: dict[str, object] = {
            "coregistered": self.mode,
            "shift rows": round(self.row, 3),
            "shift columns": round(self.col, 3),
            "shift error": round(self.error, 3),
            "edges alike before": round(self.before, 4),
            "edges alike after": round(self.after, 4),
        }
        if self.shifts is not None:
            facts["largest shift of the field"] = round(float(np.hypot(*self.shifts).max()), 2)
        return facts

    def displacement(self, window: Window) -> Float[np.ndarray, "2 row col"]:
        """Rows and columns to look further for t2's pixels of a window."""
        shift = np.array([self.row, self.col])[:, None, None]
        if self.shifts is None:
            return np.broadcast_to(shift, (2, window.height, window.width))
        places = np.meshgrid(
            *(
                (np.arange(first, first + count) - self.inset)
                * (nodes - 1)
                / (side - 2 * self.inset)
                for first, count, nodes, side in (
                    (window.row, window.height, self.shifts.shape[1], self.shape[0]),
                    (window.col, window.width, self.shifts.shape[2], self.shape[1]),
                )
            ),
            indexing="ij",
        )
        more = [map_coordinates(part, places, order=1, mode="nearest") for part in self.shifts]
        return np.asarray(shift + np.stack(more))

    @contextmanager
    def reader(
        self, source: Raster | Shapes, grid: Grid, *, categorical: bool = False
    ) -> Iterator[Read]:
        """As `Raster.reader` on the pair's grid, of what belongs to t2."""
        if self.mode == "none":
            with source.reader(grid, categorical=categorical) as read:
                yield read
        elif self.shifts is None or isinstance(source, Shapes):
            moved = grid.moved(self.row, self.col)
            with source.reader(moved, categorical=categorical, cubic=True) as read:
                yield read
        else:
            margin = self._reach()
            outer = Window(
                row=-margin,
                col=-margin,
                height=grid.height + 2 * margin,
                width=grid.width + 2 * margin,
            )
            with source.reader(grid.crop(outer), categorical=categorical) as read:
                yield lambda window: self._resampled(read, window, margin, categorical)

    def _reach(self) -> int:
        """Pixels around a window that its displacement may reach."""
        largest = 0.0 if self.shifts is None else float(np.abs(self.shifts).max())
        return math.ceil(max(abs(self.row), abs(self.col)) + largest) + REACH

    def _resampled(
        self, read: Read, window: Window, margin: int, categorical: bool
    ) -> tuple[Float32[np.ndarray, "band row col"], Bool[np.ndarray, "row col"]]:
        """A window whose pixels are each looked for where the field says."""
        values, valid = read(
            Window(
                row=window.row,
                col=window.col,
                height=window.height + 2 * margin,
                width=window.width + 2 * margin,
            )
        )
        places = self.displacement(window) + margin
        places[0] += np.arange(window.height)[:, None]
        places[1] += np.arange(window.width)
        if categorical:
            nearest = np.rint(places).astype(np.intp)
            return values[:, nearest[0], nearest[1]], valid[nearest[0], nearest[1]]
        whole = valid if valid.all() else binary_erosion(valid, iterations=2, border_value=1)
        # What is not valid pulls at its surroundings least where it is their mean.
        filled = values if valid.all() else np.where(valid, values, _means(values, valid))
        moved = np.stack(
            [map_coordinates(band, places, order=3, mode="nearest") for band in filled]
        )
        near = map_coordinates(whole.astype(np.float32), places, order=1, mode="nearest")
        return moved.astype(np.float32), near > 0.999


def _means(
    values: Float32[np.ndarray, "band row col"], valid: Bool[np.ndarray, "row col"]
) -> Float32[np.ndarray, "band 1 1"]:
    """Mean of each band's valid pixels."""
    if not valid.any():
        return np.zeros((len(values), 1, 1), np.float32)
    means = values[:, valid].mean(axis=1, dtype=np.float64).astype(np.float32)
    return np.asarray(means[:, None, None])
