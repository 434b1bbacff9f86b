from __future__ import annotations

import numpy as np
import pytest
from peer_scenes import block
from scipy import ndimage

from metriccd.difference import cva, on_arrays
from metriccd.pair import Block
from metriccd.peers import fit_objects
from metriccd.peers.objects import SIDE


def test_each_object_has_the_length_of_the_difference_of_its_means() -> None:
    pair = block()
    pair.valid[:5, :9] = False
    fitted = fit_objects([pair])
    labels = fitted.measure._objects(pair)
    members = np.where(pair.valid, labels, -1)
    numbers = range(int(labels.max()) + 1)
    means = [[ndimage.mean(band, members, numbers) for band in date] for date in pair[:2]]
    expected = np.linalg.norm(np.subtract(*means), axis=0)
    found = fitted.layers(pair)[0]
    np.testing.assert_allclose(found[pair.valid], expected[labels][pair.valid], rtol=1e-4)
    assert 20 < len(np.unique(labels)) < 90


def test_objects_of_one_pixel_are_change_vector_analysis() -> None:
    pair = Block(*(each[..., :1, :3] for each in block()))
    found = fit_objects([pair], area=1).layers(pair)[0]
    np.testing.assert_allclose(found, on_arrays(cva, pair.t1, pair.t2)[0], rtol=1e-5)


@pytest.mark.parametrize("edge", [12, 30])
def test_objects_end_where_either_date_has_an_edge(edge: int) -> None:
    t1 = np.zeros((1, 40, 40), np.float32)
    t2 = t1.copy()
    t2[:, :, edge:] = 100
    pair = Block(t1, t2, np.ones((40, 40), bool))
    found = fit_objects([pair]).layers(pair)[0]
    np.testing.assert_allclose(found[:, edge + 1 :], 100, rtol=0.02)
    np.testing.assert_allclose(found[:, : edge - 1], 0, atol=2)


def test_a_square_is_segmented_as_if_it_were_alone() -> None:
    pair = block(rows=30, cols=SIDE + 40)
    fitted = fit_objects([pair])
    assert fitted.stride == SIDE
    whole = fitted.layers(pair)[0]
    for cols in (slice(0, SIDE), slice(SIDE, None)):
        alone = fitted.layers(Block(*(each[..., cols] for each in pair)))[0]
        np.testing.assert_array_equal(whole[:, cols], alone)
