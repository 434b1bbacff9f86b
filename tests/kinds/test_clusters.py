"""Clusters of change: what changed alike is one, whatever the seed, the unit and the size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from metriccd.kinds import NODATA, clusters
from metriccd.kinds.clusters import OWN, Clusters, changed_pixels
from metriccd.pair import ArrayPair, Block, read_pair
from metriccd.raster import Window

CHANGES = ((300, 300, 300, -500), (-200, -200, -200, 0), (0, 0, 500, 0))


def scene(side: int = 96, seed: int = 1) -> tuple[Block, np.ndarray, np.ndarray]:
    """Three stripes that changed each in its own way, their number, and a score."""
    random = np.random.default_rng(seed)
    t1 = random.normal(1000, 100, (4, side, side))
    t2 = t1 + random.normal(0, 20, t1.shape)
    kinds = np.zeros((side, side), int)
    for number, change in enumerate(CHANGES, start=1):
        kinds[10:40, 20 * number : 20 * number + 10 + number] = number
        t2[:, kinds == number] += np.array(change)[:, None]
    valid = random.random((side, side)) > 0.05
    score = np.where(valid, np.where(kinds > 0, 0.8, 0.2), np.nan).astype(np.float32)
    return Block(t1.astype(np.float32), t2.astype(np.float32), valid), kinds, score


def found(block: Block, score: np.ndarray, seed: int = 0) -> Clusters:
    pixels = changed_pixels(
        ArrayPair(block=block), lambda w: score[w.slices], lambda _, s: s > OWN, seed=seed
    )
    groups = Clusters.of([block], pixels, seed=seed)
    assert groups is not None
    return groups


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_each_way_to_change_is_a_cluster_the_most_frequent_first(seed: int) -> None:
    block, kinds, score = scene()
    groups = found(block, score, seed)
    labels = groups.label(block)
    assert len(groups.centers) == 3
    assert (labels[~block.valid] == NODATA).all()
    changed = (kinds > 0) & block.valid
    # The widest stripe has the most pixels.
    assert (labels[changed] == 4 - kinds[changed]).mean() > 0.98


def test_the_spectra_are_means_of_the_pixels_and_the_bands_that_moved_are_named() -> None:
    block, kinds, score = scene()
    record = found(block, score).record(["B04", "B03", "B02", "8"])
    assert record[0]["meaning"] == "B02 up"
    assert set(record[1]["meaning"].split(", ")) == {"B04 down", "B03 down", "B02 down"}
    assert record[2]["meaning"].startswith("band 8 down")
    for each, number in zip(record, (3, 2, 1), strict=True):
        where = (kinds == number) & block.valid
        np.testing.assert_allclose(each["before"], block.t1[:, where].mean(axis=1), rtol=0.02)
        np.testing.assert_allclose(each["after"], block.t2[:, where].mean(axis=1), rtol=0.02)


def test_the_unit_of_the_images_and_a_shared_change_do_not_matter() -> None:
    block, kinds, score = scene()
    other = Block(block.t1 / 8, block.t2 / 8 + 50, block.valid)
    where = kinds > 0
    labels = (found(each, score).label(each)[where] for each in (block, other))
    assert adjusted_rand_score(*labels) > 0.99


def test_nothing_changed_means_no_clusters() -> None:
    block, _, score = scene()
    pair = ArrayPair(block=block)
    pixels = changed_pixels(pair, lambda w: 0 * score[w.slices], lambda _, s: s > OWN)
    assert pixels[0].shape == (4, 0)
    assert Clusters.of([block], pixels) is None


def test_few_pixels_are_one_cluster() -> None:
    block, _, score = scene()
    few = np.zeros_like(score)
    few[12, 20:45] = 0.9
    assert len(found(block, few).centers) == 1


def test_a_large_scene_is_read_where_it_changed_and_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(clusters, "CELLS", 8)
    monkeypatch.setattr(clusters, "SIDE", 16)
    block, _, score = scene()
    seen: list[Window] = []

    def changed(part: Block, values: np.ndarray) -> np.ndarray:
        seen.append(Window.whole(part.valid.shape))
        return values > OWN

    one, _ = changed_pixels(ArrayPair(block=block), lambda w: score[w.slices], changed)
    assert len(seen) == 8
    assert all(window.height <= 16 for window in seen)
    assert one.shape[1] > 100


def test_clusters_of_a_city_hardly_depend_on_the_seed(data: Path) -> None:
    """Rennes, by the length of its change vectors."""
    city = data / "oscd/rennes"
    block = read_pair(city / "imgs_1", city / "imgs_2", bands=["B04", "B03", "B02", "B08"]).load()
    length = np.sqrt((((block.t2 - block.t1) / 300) ** 2).sum(axis=0))
    score = np.where(block.valid, length / (length + 4), np.nan).astype(np.float32)
    where = score > OWN
    one, other = (found(block, score, seed).label(block)[where] for seed in (0, 1))
    assert adjusted_rand_score(one, other) > 0.8
