"""Spherical k-means: known directions are found, and clouds without clusters are not parted."""

from __future__ import annotations

import numpy as np
import pytest

from metriccd.kinds.spherical import agreed_clusters, nearest, spherical_kmeans, unit

CORNERS = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, 0, 1], [0, -1, 0], [0, 0, -1]], float)


def directions(kinds: int, spread: float = 0.15, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Directions around some corners, and which corner each belongs to."""
    random = np.random.default_rng(seed)
    members = random.integers(0, kinds, 1500)
    return unit(CORNERS[members] + random.normal(0, spread, (1500, 3))), members


@pytest.mark.parametrize("kinds", [1, 2, 3, 4, 6])
@pytest.mark.parametrize("seed", [0, 1])
def test_halves_agree_on_the_number_of_kinds_that_there_are(kinds: int, seed: int) -> None:
    found, strengths = agreed_clusters(directions(kinds)[0], 8, np.random.default_rng(seed))
    assert found == kinds
    assert strengths[0] == 1
    assert len(strengths) == 8


def test_a_cloud_without_clusters_is_one() -> None:
    random = np.random.default_rng(5)
    cloud = unit(random.normal([2, 0, 0, 0], 1, (2000, 4)))
    assert agreed_clusters(cloud, 8, random)[0] == 1


def test_one_band_has_two_directions_at_most() -> None:
    random = np.random.default_rng(2)
    signs = random.choice([-1.0, 1.0], (500, 1))
    assert agreed_clusters(signs, 8, random)[0] == 2


def test_centers_are_the_mean_directions_of_their_members() -> None:
    vectors, members = directions(3)
    centers = spherical_kmeans(vectors, 3, np.random.default_rng(0))
    np.testing.assert_allclose(np.linalg.norm(centers, axis=1), 1)
    labels = nearest(vectors, centers)
    for label in range(3):
        mean = vectors[labels == label].mean(axis=0)
        np.testing.assert_allclose(centers[label], mean / np.linalg.norm(mean), atol=1e-4)
    # Each cluster is one corner.
    assert len({(int(a), int(b)) for a, b in zip(labels, members, strict=True)}) <= 6
    assert max(np.bincount(labels * 3 + members)) > 400
