"""The histogram of a scene of any size, built window by window, at every scale at once.

A float32 number read as an integer keeps its order. `Histogram` counts those integers and drops
their lowest bits only when more than `CAPACITY` different ones are in use. Bins are therefore as
fine as the data allow: few different values are counted exactly, and scores crowded near 0 or near
1, spread over many powers of ten or negative keep a hundred thousand bins where they lie.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Float64, Int32, Int64, Real

CAPACITY = 2**18  # bins kept, 3 MB: relative width 2⁻¹² to 2⁻¹⁴ for usual scores, 2⁻⁹ at worst
_BLOCK = 2**20  # values sorted at once
_MAGNITUDE = np.int32(0x7FFFFFFF)  # every bit of a float32 but its sign


class Histogram:
    """Counts of finite float32 values in bins that adapt to them.

    Values are added with `update`, histograms with `+`. The result depends only on the values,
    not on their order, the windows they came in or who counted them. NaN and infinities are
    ignored. Other types are read as float32. The state stays below 30 MB.

    Attributes:
        minimum: The smallest value, exact; +inf when empty.
        maximum: The largest value, exact; -inf when empty.
    """

    def __init__(self) -> None:
        self.minimum = float("inf")
        self.maximum = float("-inf")
        self._runs: list[_Run] = []

    @classmethod
    def from_counts(
        cls, values: Float32[np.ndarray, " bin"], counts: Int64[np.ndarray, " bin"]
    ) -> Histogram:
        """A histogram from what `values` and `counts` of another say: finite, each once, rising."""
        histogram = cls()
        occupied = counts > 0
        if occupied.any():
            values, counts = values[occupied], counts[occupied]
            histogram.minimum, histogram.maximum = float(values[0]), float(values[-1])
            histogram._runs = [_Run(_key(values), counts, 0)]
        return histogram

    def update(self, values: Real[np.ndarray, "*shape"]) -> None:
        """Count more values, an array of any shape; those that are not finite are ignored."""
        flat = values.reshape(-1)
        for start in range(0, flat.size, _BLOCK):
            with np.errstate(over="ignore"):  # too large for float32: infinite, so ignored
                block = flat[start : start + _BLOCK].astype(np.float32, copy=False)
            self._count(block[np.isfinite(block)])

    def __add__(self, other: Histogram) -> Histogram:
        total = Histogram()
        total.minimum = min(self.minimum, other.minimum)
        total.maximum = max(self.maximum, other.maximum)
        total._runs = [*self._runs, *other._runs]
        total._settle()
        return total

    @property
    def count(self) -> int:
        """Number of values counted."""
        return sum(int(run.counts.sum()) for run in self._runs)

    @property
    def counts(self) -> Int64[np.ndarray, " bin"]:
        """Values in each occupied bin, in ascending order of the bins."""
        return self._settle().counts

    @property
    def values(self) -> Float64[np.ndarray, " bin"]:
        """Middle of each occupied bin, within [minimum, maximum]; the value itself if exact."""
        run = self._settle()
        last = self._within((run.keys << run.shift) + ((1 << run.shift) - 1))
        middle: Float64[np.ndarray, " bin"]
        middle = (self._within(run.keys << run.shift).astype(np.float64) + last) / 2
        return middle

    @property
    def floors(self) -> Float64[np.ndarray, " bin"]:
        """Largest float32 below each occupied bin: `value > floors[k]` takes bins k and up."""
        run = self._settle()
        first = self._within(run.keys << run.shift)
        below: Float64[np.ndarray, " bin"]
        with np.errstate(over="ignore"):  # only -inf is below the most negative float32
            below = np.nextafter(first, np.float32("-inf")).astype(np.float64)
        return below

    @property
    def constant(self) -> bool:
        """Whether all values are the same, or there are none."""
        return self.minimum >= self.maximum

    @property
    def ceiling(self) -> float:
        """The threshold nothing exceeds: the maximum, or +inf when empty."""
        return self.maximum if self._runs else float("inf")

    def quantile(self, q: float) -> float:
        """Smallest value that at least a share `q` of all values do not exceed, to a bin's width.

        This is NumPy's "inverted_cdf" quantile. NaN when empty.

        Raises:
            ValueError: `q` is not in [0, 1].
        """
        if not 0 <= q <= 1:
            raise ValueError(f"a quantile lies in [0, 1], got {q}: give a share, not a percentage")
        if not self._runs:
            return float("nan")
        position = int(np.searchsorted(np.cumsum(self.counts), q * self.count))
        return float(self.values[position])

    def uniform(
        self, bins: int = 256
    ) -> tuple[Int64[np.ndarray, " level"], Float64[np.ndarray, " level"]]:
        """Counts and centers of `bins` equal bins from minimum to maximum, as `np.histogram`.

        The first and the last bin are never empty. The histogram must not be empty.
        """
        counts, edges = np.histogram(
            self.values, bins, range=(self.minimum, self.maximum), weights=self.counts
        )
        return counts, (edges[:-1] + edges[1:]) / 2

    def coarsened(self, capacity: int) -> Histogram:
        """The same values in at most `capacity` bins, for rules that iterate over bins."""
        coarse = Histogram()
        coarse.minimum, coarse.maximum = self.minimum, self.maximum
        coarse._runs = [_union([self._settle()], capacity)] if self._runs else []
        return coarse

    def share_of(self, part: Histogram) -> Int64[np.ndarray, " bin"]:
        """Counts of `part` in the bins of this histogram, which is `part` plus others."""
        whole, run = self._settle(), part._settle()
        bins = np.searchsorted(whole.keys, run.keys >> (whole.shift - run.shift))
        counts = np.zeros_like(whole.counts)
        np.add.at(counts, bins, run.counts)
        return counts

    def _count(self, finite: Float32[np.ndarray, " value"]) -> None:
        if finite.size == 0:
            return
        self.minimum = min(self.minimum, float(finite.min()))
        self.maximum = max(self.maximum, float(finite.max()))
        shift = max((run.shift for run in self._runs), default=0)
        keys = _key(finite) >> shift
        keys.sort()
        starts = _starts(keys)
        self._runs.append(_Run(keys[starts], np.diff(starts, append=keys.size), shift))
        if sum(run.keys.size for run in self._runs) > 4 * CAPACITY:
            self._settle()

    def _within(self, keys: Int32[np.ndarray, " bin"]) -> Float32[np.ndarray, " bin"]:
        """The numbers of these keys, kept between the smallest and the largest value."""
        return _number(keys).clip(np.float32(self.minimum), np.float32(self.maximum))

    def _settle(self) -> _Run:
        """Merge what was counted so far; the shift found is the least that the values allow.

        It is the same in whatever order parts arrive: a part never needs a larger shift than
        the whole.
        """
        if not self._runs:
            return _EMPTY
        if len(self._runs) > 1 or self._runs[0].keys.size > CAPACITY:
            self._runs = [_union(self._runs, CAPACITY)]
        return self._runs[0]


class _Run(NamedTuple):
    """Counts of keys without their `shift` lowest bits; the keys ascend, each occurs once."""

    keys: Int32[np.ndarray, " bin"]
    counts: Int64[np.ndarray, " bin"]
    shift: int


_EMPTY = _Run(np.empty(0, np.int32), np.empty(0, np.int64), 0)


def _key(values: Float32[np.ndarray, " value"]) -> Int32[np.ndarray, " value"]:
    """Integers in the order of the values; 0.0 and -0.0 are both 0."""
    bits = values.view(np.int32)
    return np.where(bits < 0, -(bits & _MAGNITUDE), bits)


def _number(keys: Int32[np.ndarray, " bin"]) -> Float32[np.ndarray, " bin"]:
    """Inverse of `_key`."""
    numbers: Float32[np.ndarray, " bin"]
    numbers = np.copysign(np.abs(keys).view(np.float32), keys.astype(np.float32))
    return numbers


def _starts(keys: Int32[np.ndarray, " value"]) -> Int64[np.ndarray, " bin"]:
    """Positions where ascending keys take a new value."""
    return np.append(0, np.flatnonzero(keys[1:] != keys[:-1]) + 1)


def _union(runs: Sequence[_Run], capacity: int) -> _Run:
    """One run of at most `capacity` keys, with the least shift that allows it."""
    shift = max(run.shift for run in runs)
    keys = np.concatenate([run.keys >> (shift - run.shift) for run in runs])
    order = keys.argsort(kind="stable")  # merges ascending runs in linear time
    keys, counts = keys[order], np.concatenate([run.counts for run in runs])[order]
    while True:
        starts = _starts(keys)
        keys, counts = keys[starts], np.add.reduceat(counts, starts)
        if keys.size <= capacity:
            return _Run(keys, counts, shift)
        keys, shift = keys >> 1, shift + 1
