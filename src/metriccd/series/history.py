"""What happened to each pixel, from what pairs of images say about it.

A comparison says of a pixel whether two images differ in it, and how far that is from its
threshold: the margin, ln(distance / threshold). Compared are neighbors in time, every other image,
and the first with the last one. docs/series.md has the definitions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, Float32, Int64, UInt8

# What became of a pixel.
SAME, PERSISTENT, NEW, UNDONE, GRADUAL, TRANSIENT, UNKNOWN = 0, 1, 2, 3, 4, 5, 255
WORDS = {
    SAME: "no change",
    PERSISTENT: "persistent",
    NEW: "new",
    UNDONE: "undone",
    GRADUAL: "gradual",
    TRANSIENT: "transient",
}
Pair: TypeAlias = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What the pairs say about a window.

    Attributes:
        pairs: Numbers of the images of each pair, from 0.
        change: True = they differ.
        margin: ln(distance / threshold); NaN where a pair is not valid.
    """

    pairs: Sequence[Pair]
    change: Bool[np.ndarray, "pair row col"]
    margin: Float32[np.ndarray, "pair row col"]


@dataclass(frozen=True, kw_only=True)
class History:
    """What happened in a window; 0 is never, images are numbered from 1.

    Attributes:
        observations: Images that are valid.
        kind: `SAME`, `PERSISTENT` …; `UNKNOWN` where fewer than two images could be compared.
        first: The first image that shows a change that lasted.
        odd: The first image that alone differed.
        changes: Number of changes that lasted.
        transient: Number of images that alone differed.
        lasted: Of each image, pixels into which a lasting change led.
        passed: Of each image, pixels in which it alone differed.
        torn: Of each image, pixels in which it, the one before and the one after contradict each
            other: exactly one of their three pairs differs.
    """

    observations: UInt8[np.ndarray, "row col"]
    kind: UInt8[np.ndarray, "row col"]
    first: UInt8[np.ndarray, "row col"]
    odd: UInt8[np.ndarray, "row col"]
    changes: UInt8[np.ndarray, "row col"]
    transient: UInt8[np.ndarray, "row col"]
    lasted: Int64[np.ndarray, " image"]
    passed: Int64[np.ndarray, " image"]
    torn: Int64[np.ndarray, " image"]


def pairs_of(images: int) -> list[Pair]:
    """Which of so many images are compared: neighbors, every other one, the first with the last."""
    found = [(i, i + step) for step in (1, 2) for i in range(images - step)]
    ends = (0, images - 1)
    return found if ends in found else [*found, ends]


def history(evidence: Evidence, images: int) -> History:
    """What happened to each pixel of a window.

    Args:
        evidence: Of the pairs that were compared.
        images: Their number.
    """
    known = ~np.isnan(evidence.margin)
    valid = np.zeros((images, *known.shape[1:]), np.bool_)
    for pair, there in zip(evidence.pairs, known, strict=True):
        for image in pair:
            valid[image] |= there
    rows, cols = np.nonzero((evidence.change & known).any(axis=0))
    walk = _Walk.over(evidence, images, rows, cols)
    for image in range(images):
        walk.see(image, valid[image, rows, cols])
    walk.end()
    observations = valid.sum(axis=0).astype(np.uint8)
    layers = {}
    for name, values in {
        "kind": walk.kinds(),
        "first": walk.first + 1,
        "odd": walk.odd + 1,
        "changes": walk.changes,
        "transient": walk.transient,
    }.items():
        layers[name] = np.zeros(observations.shape, np.uint8)
        layers[name][rows, cols] = values
    layers["kind"][observations < 2] = UNKNOWN
    return History(
        observations=observations,
        lasted=walk.lasted,
        passed=walk.passed,
        torn=_torn(evidence, images),
        **layers,
    )


def _torn(evidence: Evidence, images: int) -> Int64[np.ndarray, " image"]:
    """Of each image, pixels in which three comparisons cannot all be right."""
    found, place = np.zeros(images, np.int64), {pair: k for k, pair in enumerate(evidence.pairs)}
    for image in range(1, images - 1):
        pairs = ((image - 1, image), (image, image + 1), (image - 1, image + 1))
        three = [place[pair] for pair in pairs]
        known = ~np.isnan(evidence.margin[three]).any(axis=0)
        found[image] = (known & (evidence.change[three].sum(axis=0) == 1)).sum()
    return found


@dataclass(kw_only=True)
class _Walk:
    """A walk through the images, at once for all pixels in which anything changed.

    The image seen last is judged when the next one is seen: it may have differed alone. Then it is
    left out, as if it had been masked.

    Attributes:
        change: Of each pair and pixel.
        margin: Likewise; NaN where not valid.
        table: Pair of two images; -1 where they were not compared.
        before: The image before the last; -1 for none.
        last: The image seen last.
        moved: Whether these two differ.
        link: The margin of that.
        sure: Whether the last image is known to be like an earlier one, so not alone.
        first: The first image with a lasting change.
        odd: The first image that alone differed.
        changes: Lasting changes.
        transient: Images that alone differed.
        since: The largest margin of the comparisons after the last lasting change.
        lasted: See `History`.
        passed: Likewise.
    """

    change: Bool[np.ndarray, "pair pixel"]
    margin: Float32[np.ndarray, "pair pixel"]
    table: Int64[np.ndarray, "image image"]
    before: Int64[np.ndarray, " pixel"] = field(init=False)
    last: Int64[np.ndarray, " pixel"] = field(init=False)
    moved: Bool[np.ndarray, " pixel"] = field(init=False)
    link: Float32[np.ndarray, " pixel"] = field(init=False)
    sure: Bool[np.ndarray, " pixel"] = field(init=False)
    first: Int64[np.ndarray, " pixel"] = field(init=False)
    odd: Int64[np.ndarray, " pixel"] = field(init=False)
    changes: Int64[np.ndarray, " pixel"] = field(init=False)
    transient: Int64[np.ndarray, " pixel"] = field(init=False)
    since: Float32[np.ndarray, " pixel"] = field(init=False)
    lasted: Int64[np.ndarray, " image"] = field(init=False)
    passed: Int64[np.ndarray, " image"] = field(init=False)

    def __post_init__(self) -> None:
        pixels, images = self.change.shape[1], len(self.table)
        for name in ("before", "last", "first", "odd"):
            setattr(self, name, np.full(pixels, -1, np.int64))
        for name in ("changes", "transient"):
            setattr(self, name, np.zeros(pixels, np.int64))
        for name in ("moved", "sure"):
            setattr(self, name, np.zeros(pixels, np.bool_))
        self.link = np.full(pixels, np.nan, np.float32)
        self.since = np.full(pixels, -np.inf, np.float32)
        self.lasted, self.passed = np.zeros(images, np.int64), np.zeros(images, np.int64)

    @classmethod
    def over(
        cls,
        evidence: Evidence,
        images: int,
        rows: Int64[np.ndarray, " pixel"],
        cols: Int64[np.ndarray, " pixel"],
    ) -> _Walk:
        """A walk that has not begun."""
        table = np.full((images, images), -1, np.int64)
        for number, pair in enumerate(evidence.pairs):
            table[pair] = number
        return cls(
            change=evidence.change[:, rows, cols],
            margin=evidence.margin[:, rows, cols],
            table=table,
        )

    def see(self, image: int, valid: Bool[np.ndarray, " pixel"]) -> None:
        """Goes on to an image, in the pixels in which it is valid."""
        differs, margin = self._compared(self.last, image)
        skips, over = self._compared(self.before, image)
        told = valid & ~self.sure & ~np.isnan(self.link + margin + over)
        # A change that shows across the last image and on neither side of it was missed, as clouds
        # in that image make happen, which lift thresholds: on the side that shows more of it.
        missed = told & skips & ~(self.moved | differs)
        self.moved |= missed & (self.link >= margin)
        differs |= missed & (self.link < margin)
        # Two changes that lead back; or one of them, where the other is nearer to its threshold
        # than the comparison that sees no change across.
        both, one = self.moved & differs, self.moved ^ differs
        other = np.where(self.moved, margin, self.link)
        alone = told & ~skips & (both | (one & (other > over)))
        self._leave_out(alone)
        stays = valid & ~alone
        self._settle(stays)
        self.before = np.where(stays, self.last, self.before)
        self.moved = np.where(stays, differs, self.moved & ~alone)
        self.link = np.where(stays, margin, np.where(alone, over, self.link))
        self.sure = np.where(valid, alone, self.sure)
        self.last = np.where(valid, image, self.last)

    def end(self) -> None:
        """Settles the last image, of which no later one tells whether it differed alone."""
        self._settle(np.ones(self.last.shape, np.bool_))

    def kinds(self) -> UInt8[np.ndarray, " pixel"]:
        """What became of each pixel."""
        ends = self._compared(np.zeros_like(self.last), len(self.table) - 1)
        differs, margin = ends[0], ends[1]
        # The only change, which nothing undid, against a comparison that saw none: the more
        # certain of both is right.
        kept = differs | np.isnan(margin) | ((self.changes == 1) & (margin > self.since))
        kinds = np.where(kept, PERSISTENT, UNDONE)
        kinds = np.where((self.changes == 1) & self.moved, NEW, kinds)
        quiet = np.where(self.transient > 0, TRANSIENT, SAME)
        quiet = np.where(differs, GRADUAL, quiet)
        return np.where(self.changes > 0, kinds, quiet).astype(np.uint8)

    def _leave_out(self, alone: Bool[np.ndarray, " pixel"]) -> None:
        self.transient += alone
        self.odd = np.where(alone & (self.odd < 0), self.last, self.odd)
        self.passed += np.bincount(self.last[alone], minlength=len(self.passed))

    def _settle(self, stays: Bool[np.ndarray, " pixel"]) -> None:
        """Takes the change into the last image for one that lasts."""
        lasting = stays & self.moved
        quiet = stays & ~self.moved & (self.before >= 0)
        # What was not compared may have been anything.
        link = np.where(np.isnan(self.link), np.float32(np.inf), self.link)
        self.since = np.where(lasting, np.float32(-np.inf), self.since)
        self.since = np.where(quiet, np.maximum(self.since, link), self.since)
        self.changes += lasting
        self.first = np.where(lasting & (self.first < 0), self.last, self.first)
        self.lasted += np.bincount(self.last[lasting], minlength=len(self.lasted))

    def _compared(
        self, earlier: Int64[np.ndarray, " pixel"], later: int
    ) -> tuple[Bool[np.ndarray, " pixel"], Float32[np.ndarray, " pixel"]]:
        """Whether images differ, and by which margin; NaN where nobody knows."""
        pair = np.where(earlier >= 0, self.table[earlier, later], -1)
        pixel = np.arange(pair.size)
        there = pair >= 0
        margin = np.where(there, self.margin[pair, pixel], np.float32(np.nan))
        return there & self.change[pair, pixel] & ~np.isnan(margin), margin
