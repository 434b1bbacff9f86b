"""K-means on difference images whose bands are not to be merged."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from jaxtyping import Float, Float32, Float64
from scipy.cluster import vq

from metriccd.decision.thresholds import kmeans
from metriccd.errors import DataError
from metriccd.scene import Histogram


def vector_kmeans(
    blocks: Iterable[Float[np.ndarray, "band _row _col"]], *, sample: int = 2**18, seed: int = 0
) -> Float64[np.ndarray, "2 band"]:
    """The two k-means centers (k = 2) of a difference image of several bands.

    Bands are neither merged nor rescaled, and change is the center with the larger mean over bands,
    as in the MATLAB Change Detection Toolbox. Lloyd's iterations run on at most `sample` pixels,
    drawn without replacement, and start at the classes that `kmeans` finds on the band means, so
    there are no random restarts. `kmeans_score` turns them into a score.

    Args:
        blocks: Windows of the difference image, read once. Pixels with a NaN are left out.
        sample: Most pixels to look at; an image with fewer is used whole.
        seed: Of the draw; the same blocks and seed give the same centers.

    Returns:
        The centers: no change, then change. Equal if all vectors are.

    Raises:
        DataError: No pixel is usable.
    """
    vectors = _draw(blocks, sample, np.random.default_rng(seed))
    means = vectors.mean(axis=1).astype(np.float32)
    histogram = Histogram()
    histogram.update(means)
    upper = means > kmeans(histogram)
    if not upper.any():
        return np.stack([vectors.mean(axis=0)] * 2)
    scale = vectors.std(axis=0).max()  # SciPy stops at an absolute gain: make it a relative one
    start = np.stack([vectors[~upper].mean(axis=0), vectors[upper].mean(axis=0)])
    centers, _ = vq.kmeans(vectors / scale, start / scale, thresh=1e-7)
    ordered: Float64[np.ndarray, "2 band"] = centers[centers.mean(axis=1).argsort()] * scale
    return ordered


def kmeans_score(
    difference: Float[np.ndarray, "band row col"], centers: Float64[np.ndarray, "2 band"]
) -> Float32[np.ndarray, "row col"]:
    """On which side of the boundary between `vector_kmeans`' centers a pixel lies, and how far.

    The margin m = (|d − c₀|² − |d − c₁|²) / |c₁ − c₀|² is −1 at the center of no change, 0 halfway
    and 1 at the center of change, and linear in d: the order of pixels is that of their projection
    on the line through the centers. The score (1 + m / (1 + |m|)) / 2 keeps that order in [0, 1]
    without saturating as a logistic would; the ratio |d − c₀| / (|d − c₀| + |d − c₁|) would fall
    back to 0.5 for the strongest changes.

    Returns:
        0.25 at the center of no change, 0.5 on the boundary, 0.75 at the center of change; 0 if
        the centers are equal; NaN where a band is.
    """
    direction = centers[1] - centers[0]
    squared_distance = float(direction @ direction)
    if squared_distance == 0:
        return np.where(np.isnan(difference).any(axis=0), np.nan, 0).astype(np.float32)
    margin = np.tensordot(2 / squared_distance * direction, difference, 1)
    margin -= direction @ centers.sum(axis=0) / squared_distance
    score: Float32[np.ndarray, "row col"]
    score = (0.5 + 0.5 * margin / (1 + np.abs(margin))).astype(np.float32)
    return score


def _draw(
    blocks: Iterable[Float[np.ndarray, "band _row _col"]], size: int, rng: np.random.Generator
) -> Float64[np.ndarray, "pixel band"]:
    """At most `size` usable pixels of all blocks, each with the same chance.

    Every pixel gets a random number, and the smallest are kept.
    """
    sample: Float64[np.ndarray, "pixel band"] | None = None
    priorities = np.empty(0)
    for block in blocks:
        vectors = block.reshape(block.shape[0], -1).T
        vectors = vectors[np.isfinite(vectors).all(axis=1)].astype(np.float64)
        priorities = np.append(priorities, rng.random(len(vectors)))
        sample = vectors if sample is None else np.concatenate([sample, vectors])
        if len(sample) > size:
            indices = np.sort(np.argpartition(priorities, size)[:size])
            priorities, sample = priorities[indices], sample[indices]
    if sample is None or len(sample) == 0:
        raise DataError(
            "k-means needs at least one pixel with values in all bands, got none: "
            "check the nodata value and the masks of both images"
        )
    return sample
