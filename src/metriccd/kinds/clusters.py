"""Kinds of change that no rule names: clusters of the directions in which pixels changed.

A change vector is the difference of the bands, each in deviations of what most pixels share. Its
length says how much changed, its direction what did (change vector analysis, Malila 1980; several
kinds by direction: Bovolo et al. 2012, in deep features: Saha et al. 2019).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Float64, UInt8

from metriccd.kinds.legend import NODATA
from metriccd.kinds.spherical import agreed_clusters, nearest, spherical_kmeans, unit
from metriccd.pair import Block, Source
from metriccd.raster import Window
from metriccd.storage import storable

# Most clusters, and most changed pixels that they are found on; fewer than LEAST are one cluster.
MOST, SAMPLE, LEAST = 8, 3072, 64
# A larger scene is looked at in this many windows of this side.
CELLS, SIDE = 32, 256
# Pixels that tell what most share.
SHARING = 2**17
# A score above it is change by the method's own rule, whatever threshold is asked for: clusters
# do not depend on it.
OWN = 0.5
# Bands that changed at least this share of the one that changed most tell what a cluster is.
TELLING = 0.3

# Which pixels of a block changed.
Changed = Callable[[Block, Float32[np.ndarray, "row col"]], Bool[np.ndarray, "row col"]]


@storable
@dataclass(frozen=True, kw_only=True)
class Clusters:
    """Kinds of change of one pair, the most frequent first.

    Attributes:
        shared: What most pixels' bands differ by.
        deviation: The robust deviation from it.
        centers: Mean direction of each cluster.
        spectra: Mean of its pixels at both dates.
        strengths: How much two halves of the sample agree on 1, 2, … clusters.
    """

    shared: Float64[np.ndarray, " band"]
    deviation: Float64[np.ndarray, " band"]
    centers: Float64[np.ndarray, "cluster band"]
    spectra: Float64[np.ndarray, "cluster date band"]
    strengths: tuple[float, ...]

    @classmethod
    def of(
        cls,
        blocks: Sequence[Block],
        pixels: tuple[Float32[np.ndarray, "band pixel"], Float32[np.ndarray, "band pixel"]],
        *,
        seed: int = 0,
    ) -> Clusters | None:
        """Finds the clusters; None where nothing changed.

        Args:
            blocks: Parts that stand for the scene.
            pixels: Changed pixels at both dates.
            seed: Of the halves of the sample, and of where k-means starts.
        """
        dates = np.stack(pixels).astype(np.float64)
        if not dates.shape[-1]:
            return None
        shared, deviation = _shared(blocks)
        directions = unit(((dates[1] - dates[0]).T - shared) / deviation)
        random = np.random.default_rng(seed)
        count, strengths = 1, tuple[float, ...]((1.0,))
        if len(directions) >= LEAST:
            count, strengths = agreed_clusters(directions, MOST, random)
        centers = spherical_kmeans(directions, count, random)
        labels = nearest(directions, centers)
        sizes = np.bincount(labels, minlength=count)
        order = [each for each in np.argsort(-sizes, kind="stable") if sizes[each]]
        return cls(
            shared=shared,
            deviation=deviation,
            centers=centers[order],
            spectra=np.stack([dates[..., labels == each].mean(axis=-1) for each in order]),
            strengths=strengths,
        )

    @property
    def agreement(self) -> float:
        """How much two halves of the sample agree on this number of clusters."""
        return self.strengths[min(len(self.centers), len(self.strengths)) - 1]

    def label(self, block: Block) -> UInt8[np.ndarray, "row col"]:
        """The cluster of every pixel, from 1, as if it had changed; `NODATA` where not valid."""
        weights = self.centers / self.deviation
        # The nearest direction is the one with the largest product: lengths do not matter.
        products = np.tensordot(weights.astype(np.float32), block.t2 - block.t1, 1)
        products -= (weights @ self.shared).astype(np.float32)[:, np.newaxis, np.newaxis]
        labels: UInt8[np.ndarray, "row col"] = products.argmax(axis=0).astype(np.uint8) + 1
        return np.where(block.valid, labels, NODATA).astype(np.uint8)

    def record(self, bands: Sequence[str]) -> list[dict[str, Any]]:
        """Value, meaning and spectra of each cluster, as JSON can hold them.

        Args:
            bands: Their names.
        """
        names = [f"band {band}" if band.isdigit() else band for band in bands]
        rounded = np.round(self.spectra, 4).tolist()
        return [
            {
                "value": value,
                "meaning": meaning,
                "bands": names,
                "before": before,
                "after": after,
            }
            for value, (meaning, (before, after)) in enumerate(
                zip(_meanings(self.centers, names), rounded, strict=True), start=1
            )
        ]


def changed_pixels(
    source: Source,
    score: Callable[[Window], Float32[np.ndarray, "row col"]],
    changed: Changed,
    *,
    seed: int = 0,
) -> tuple[Float32[np.ndarray, "band pixel"], Float32[np.ndarray, "band pixel"]]:
    """At most `SAMPLE` pixels at both dates, drawn from all that changed.

    A scene of more than `CELLS` windows is not read whole: windows are drawn with chances as their
    numbers of changed pixels, and the same number of pixels from each.

    Args:
        source: The pair.
        score: Of a window; NaN where not valid.
        changed: Which pixels of a block, whose score is given, changed.
        seed: Of the draw.
    """
    random = np.random.default_rng(seed)
    windows = list(_drawn(source.shape, score, random))
    parts: list[list[Float32[np.ndarray, "band pixel"]]] = [[], []]
    with source.reader() as read:
        for window in windows:
            block = read(window)
            where = np.flatnonzero(changed(block, score(window)) & block.valid)
            if len(where) > SAMPLE // len(windows):
                where = np.sort(random.choice(where, SAMPLE // len(windows), replace=False))
            for part, image in zip(parts, (block.t1, block.t2), strict=True):
                part.append(image.reshape(len(image), -1)[:, where])
    one, other = (np.concatenate(part, axis=1) for part in parts)
    return one, other


def _shared(
    blocks: Sequence[Block],
) -> tuple[Float64[np.ndarray, " band"], Float64[np.ndarray, " band"]]:
    """What most pixels' bands differ by, and the robust deviation from it, which is not 0."""
    step = max(sum(int(block.valid.sum()) for block in blocks) // SHARING, 1)
    parts = [(block.t2 - block.t1)[:, block.valid][:, ::step] for block in blocks]
    every = np.concatenate(parts, axis=1).astype(np.float64)
    shared = np.median(every, axis=1)
    gaps = np.abs(every - shared[:, np.newaxis])
    deviation = 1.4826 * np.median(gaps, axis=1)
    # Where most pixels are the same at both dates, the mean gap is a scale still.
    deviation = np.where(deviation > 0, deviation, gaps.mean(axis=1))
    return shared, np.where(deviation > 0, deviation, 1.0)


def _drawn(
    shape: tuple[int, int],
    score: Callable[[Window], Float32[np.ndarray, "row col"]],
    random: np.random.Generator,
) -> Iterator[Window]:
    """The whole of a small scene; of a larger one windows, drawn by what changed in them.

    The draw is systematic (Madow 1949): equal steps along the running sum, so that windows next to
    each other are seldom all drawn or all left out. One may be drawn twice.
    """
    height, width = shape
    if height * width <= CELLS * SIDE**2:
        yield Window.whole(shape)
        return
    corners = [(row, col) for row in range(0, height, SIDE) for col in range(0, width, SIDE)]
    cells = [
        Window(row=row, col=col, height=min(SIDE, height - row), width=min(SIDE, width - col))
        for row, col in corners
    ]
    sums = np.cumsum([np.count_nonzero(score(cell) > OWN) for cell in cells])
    places = (np.arange(CELLS) + random.random()) / CELLS * sums[-1]
    for number in np.searchsorted(sums, places, side="right"):
        yield cells[min(int(number), len(cells) - 1)]


def _meanings(centers: Float64[np.ndarray, "cluster band"], bands: Sequence[str]) -> list[str]:
    """Words for each cluster; those that would be the same are numbered."""
    words = [_meaning(center, bands) for center in centers]
    return [
        f"{each} ({words[:place].count(each) + 1})" if words.count(each) > 1 else each
        for place, each in enumerate(words)
    ]


def _meaning(center: Float64[np.ndarray, " band"], bands: Sequence[str]) -> str:
    """The bands that changed most, and which way: "B08 down, B04 up"."""
    order = np.argsort(-np.abs(center), kind="stable")[:3]
    telling = [each for each in order if abs(center[each]) >= TELLING * abs(center[order[0]])]
    return ", ".join(f"{bands[each]} {'up' if center[each] > 0 else 'down'}" for each in telling)
