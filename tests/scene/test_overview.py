"""Overviews: scikit-image's block means, and maxima that lose no change."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.measure import block_reduce

from metriccd.raster import Window
from metriccd.scene.overview import Maximum, factor_of, small
from metriccd.scene.scan import block_means

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(("shape", "factor"), [((10, 20), 1), ((1400, 3), 1), ((1401, 3), 2)])
def test_the_factor_is_the_smallest_that_fits(shape: tuple[int, int], factor: int) -> None:
    assert factor_of(shape) == factor
    assert max(small(shape, factor)) <= 1400


@pytest.mark.parametrize("factor", [1, 2, 7])
def test_means_are_over_the_valid_pixels_of_each_block(factor: int) -> None:
    image = 9000 * RNG.random((3, 50, 61)).astype(np.float32)
    valid = RNG.random((50, 61)) > 0.3
    valid[:14, :14] = False
    block = (1, factor, factor)
    with np.errstate(invalid="ignore"):
        expected = block_reduce(np.where(valid, image, 0), block, np.sum) / block_reduce(
            valid.astype(float), block[1:], np.sum
        )
    found = block_means(image, valid, factor)
    assert found.shape == (3, *small((50, 61), factor))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("step", [7, 16, 50])
def test_the_maximum_of_each_block_does_not_depend_on_the_windows(step: int) -> None:
    values = RNG.random((50, 61)).astype(np.float32)
    values[RNG.random(values.shape) > 0.7] = np.nan
    values[:10, :10] = np.nan
    overview = Maximum.of(values.shape, long_side=13)
    for row in range(0, 50, step):
        for col in range(0, 61, step):
            part = values[row : row + step, col : col + step]
            overview.add(Window(row=row, col=col, height=part.shape[0], width=part.shape[1]), part)
    expected = block_reduce(
        np.nan_to_num(values, nan=-np.inf), (overview.factor,) * 2, np.max, cval=-np.inf
    )
    np.testing.assert_array_equal(np.nan_to_num(overview.array, nan=-np.inf), expected)
