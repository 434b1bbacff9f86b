"""Spherical k-means, and how many clusters the data themselves agree on."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, Int64

# Starts of k-means, of which the best counts, and steps of each.
STARTS, STEPS = 3, 40
# Ways to part a sample in halves.
PARTINGS = 8
# Two halves of a sample agree on a number of clusters from this strength on; the authors of the
# rule name 0.8 to 0.9.
AGREED = 0.85

Vectors = Float64[np.ndarray, "vector band"]
Centers = Float64[np.ndarray, "cluster band"]


def unit(vectors: Float64[np.ndarray, "vector band"]) -> Float64[np.ndarray, "vector band"]:
    """Vectors of length 1; those of length 0 stay."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    units: Vectors = vectors / np.where(lengths > 0, lengths, 1)
    return units


def spherical_kmeans(directions: Vectors, clusters: int, random: np.random.Generator) -> Centers:
    """Mean directions of clusters (Dhillon & Modha, 2001): those with the largest mean cosine.

    Args:
        directions: Vectors of length 1.
        clusters: Their number.
        random: Chooses where to start (k-means++, Arthur & Vassilvitskii, 2007).

    Returns:
        Centers of length 1; equal ones where there are fewer directions than clusters.
    """
    runs = [_climb(directions, _start(directions, clusters, random)) for _ in range(STARTS)]
    return max(runs, key=lambda centers: float((directions @ centers.T).max(axis=1).mean()))


def nearest(directions: Vectors, centers: Centers) -> Int64[np.ndarray, " vector"]:
    """Which center each direction is nearest to."""
    found: Int64[np.ndarray, " vector"] = (directions @ centers.T).argmax(axis=1)
    return found


def agreed_clusters(
    directions: Vectors, most: int, random: np.random.Generator
) -> tuple[int, tuple[float, ...]]:
    """The largest number of clusters that two halves of the sample agree on.

    Prediction strength (Tibshirani & Walther, 2005): a half is clustered; of the pairs of vectors
    that it puts together, the share that the other half's centers put together, too, in its worst
    cluster; the mean of both ways and of several halvings. One cluster has strength 1. Data
    without clusters give 1, because halves part a cloud otherwise each time.

    Args:
        directions: Vectors of length 1.
        most: The largest number to try; the sample has at least 4 vectors.
        random: Parts the sample, and chooses where k-means starts.

    Returns:
        The number, and the strength of 1, 2, … clusters.
    """
    strengths = np.zeros(min(most, len(directions) // 2))
    for _ in range(PARTINGS):
        order = random.permutation(len(directions))
        one, other = directions[order[::2]], directions[order[1::2]]
        for number in range(len(strengths)):
            first, second = (spherical_kmeans(half, number + 1, random) for half in (one, other))
            ways = _strength(one, first, second) + _strength(other, second, first)
            strengths[number] += ways / 2 / PARTINGS
    return int(np.flatnonzero(strengths >= AGREED).max()) + 1, tuple(strengths.tolist())


def _strength(directions: Vectors, own: Centers, others: Centers) -> float:
    """Share of the pairs of each own cluster that the other centers keep together, at worst."""
    table = np.zeros((len(own), len(others)))
    np.add.at(table, (nearest(directions, own), nearest(directions, others)), 1)
    sizes = table.sum(axis=1)
    if sizes.min() < 2:
        return 0.0
    together = (table * (table - 1)).sum(axis=1) / (sizes * (sizes - 1))
    return float(together.min())


def _start(directions: Vectors, clusters: int, random: np.random.Generator) -> Centers:
    """Directions far from each other."""
    centers = directions[[random.integers(len(directions))]]
    while len(centers) < clusters:
        gaps = np.clip(1 - (directions @ centers.T).max(axis=1), 0, None)
        total = gaps.sum()
        chosen = random.choice(len(directions), p=gaps / total) if total > 0 else 0
        centers = np.concatenate([centers, directions[[chosen]]])
    return centers


def _climb(directions: Vectors, centers: Centers) -> Centers:
    """Assigns and averages until nothing moves."""
    for _ in range(STEPS):
        members = np.eye(len(centers))[nearest(directions, centers)]
        sums = members.T @ directions
        found = np.where(np.abs(sums).sum(axis=1, keepdims=True) > 0, unit(sums), centers)
        if np.abs(found - centers).max() < 1e-6:
            break
        centers = found
    return centers
