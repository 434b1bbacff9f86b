"""Change objects by blocks: those of scikit-image on the whole."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from rasterio.crs import CRS
from skimage.measure import label, regionprops

from metriccd.decision.objects import find_objects, without_small
from metriccd.errors import GridError
from metriccd.raster import Grid, Window

UTM = Grid(
    height=60, width=80, transform=Affine(10, 0, 6e5, 0, -10, 48e5), crs=CRS.from_epsg(32632)
)
NOWHERE = Grid(height=60, width=80, transform=Affine.identity(), crs=None)
RNG = np.random.default_rng(0)
CHANGE = RNG.random((60, 80)) < 0.55
SCORE = RNG.random((60, 80)).astype(np.float32)


def read(window: Window) -> tuple[np.ndarray, np.ndarray]:
    return CHANGE[window.slices], SCORE[window.slices]


@pytest.mark.parametrize("size", [1, 8, 13, 64, 2048])
def test_objects_do_not_depend_on_the_blocks(size: int) -> None:
    found = find_objects(read, UTM, size=size)
    expected = regionprops(label(CHANGE, connectivity=1), intensity_image=SCORE)
    # scikit-image, too, numbers regions by their first pixels.
    np.testing.assert_array_equal(found.pixels, [region.area for region in expected])
    np.testing.assert_allclose(found.area, 100 * found.pixels, rtol=1e-3)
    np.testing.assert_allclose(
        found.total / found.pixels, [r.intensity_mean for r in expected], rtol=1e-5
    )
    np.testing.assert_array_equal(
        found.highest.astype(np.float32), [r.intensity_max for r in expected]
    )


def test_nothing_changed_is_no_object() -> None:
    found = find_objects(lambda w: (np.zeros_like(CHANGE[w.slices]), SCORE[w.slices]), UTM, size=9)
    assert len(found.pixels) == 0


@pytest.mark.parametrize("size", [8, 2048])
@pytest.mark.parametrize(
    "window",
    [
        Window(row=0, col=0, height=60, width=80),
        Window(row=5, col=11, height=20, width=30),
        Window(row=8, col=8, height=8, width=8),
    ],
)
def test_small_objects_are_removed_from_any_window(size: int, window: Window) -> None:
    change, score = without_small(read, UTM, 500, size=size)(window)
    labels = label(CHANGE, connectivity=1)
    expected = CHANGE & (np.bincount(labels.ravel())[labels] >= 5)
    np.testing.assert_array_equal(change, expected[window.slices])
    np.testing.assert_array_equal(score, SCORE[window.slices])


def test_a_smallest_area_needs_areas() -> None:
    with pytest.raises(GridError, match="--min-area needs a CRS"):
        without_small(read, NOWHERE, 100)
