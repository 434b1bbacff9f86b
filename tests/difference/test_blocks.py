from __future__ import annotations

import numpy as np
import pytest
from difference_scenes import pair

from metriccd.difference import cva, image_diff, on_arrays
from metriccd.difference.blocks import chi_square, magnitude, mean_over_components, strips


def test_merges_equal_hand_computed_values() -> None:
    components = np.array([3.0, 4.0]).reshape(2, 1, 1)
    assert mean_over_components(components).item() == 3.5
    assert chi_square(components).item() == 25
    assert magnitude(components).item() == 5


@pytest.mark.parametrize(("rows", "cols"), [(1, 1), (7, 100_000), (5000, 3), (513, 1024)])
def test_strips_cover_every_row_once(rows: int, cols: int) -> None:
    covered = [row for strip in strips(8, rows, cols) for row in range(rows)[strip]]
    assert covered == list(range(rows))


def test_on_arrays_takes_integers_without_wrapping_around() -> None:
    dark, bright = np.full((2, 3, 3), 5, np.uint8), np.full((2, 3, 3), 250, np.uint8)
    np.testing.assert_array_equal(on_arrays(image_diff, dark, bright), 245)


def test_on_arrays_marks_invalid_and_missing_pixels() -> None:
    t1, t2 = pair()
    t1[0, 3, 4] = np.inf
    valid = np.ones(t1.shape[1:], dtype=bool)
    valid[0, 0] = False
    missing = np.isnan(on_arrays(cva, t1, t2, valid)[0])
    assert np.argwhere(missing).tolist() == [[0, 0], [3, 4]]


def test_on_arrays_leaves_its_arguments_alone() -> None:
    t1, t2 = pair()
    valid = np.ones(t1.shape[1:], dtype=bool)
    valid[:5] = False
    copies = t1.copy(), t2.copy(), valid.copy()
    on_arrays(image_diff, t1, t2, valid)
    for array, copy in zip((t1, t2, valid), copies, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_different_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="one shape"):
        on_arrays(cva, np.zeros((3, 4, 5)), np.zeros((3, 4, 6)))
