"""Change objects by blocks: those of scikit-image on the whole."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from rasterio.crs import CRS
from skimage.measure import label, regionprops

from metriccd.decision.objects import find_objects
from metriccd.raster import Grid, Window

UTM = Grid(
    height=60, width=80, transform=Affine(10, 0, 6e5, 0, -10, 48e5), crs=CRS.from_epsg(32632)
)
RNG = np.random.default_rng(0)
CHANGE = RNG.random((60, 80)) < 0.55
SCORE = RNG.random((60, 80)).astype(np.float32)


def read(window: Window) -> tuple[np.ndarray, np.ndarray]:
    return CHANGE[window.slices], SCORE[window.slices]


@pytest.mark.parametrize("connectivity", [4, 8])
@pytest.mark.parametrize("size", [1, 8, 13, 64, 2048])
def test_objects_do_not_depend_on_the_blocks(size: int, connectivity: int) -> None:
    change = CHANGE if connectivity == 4 else CHANGE & (np.indices(CHANGE.shape).sum(0) % 3 > 0)
    found = find_objects(
        lambda w: (change[w.slices], SCORE[w.slices]), UTM, connectivity=connectivity, size=size
    )
    neighbors = 1 if connectivity == 4 else 2
    expected = regionprops(label(change, connectivity=neighbors), intensity_image=SCORE)
    # scikit-image, too, numbers regions by their first pixels.
    np.testing.assert_array_equal(found.pixels, [region.area for region in expected])
    np.testing.assert_allclose(found.area, 100 * found.pixels, rtol=1e-3)
    np.testing.assert_allclose(
        found.total / found.pixels, [r.intensity_mean for r in expected], rtol=1e-5
    )
    np.testing.assert_array_equal(
        found.highest.astype(np.float32), [r.intensity_max for r in expected]
    )
    odds = np.log(SCORE.astype(float) / (1 - SCORE.astype(float)))
    expected = regionprops(label(change, connectivity=neighbors), intensity_image=odds)
    np.testing.assert_allclose(found.log_odds / found.pixels, [r.intensity_mean for r in expected])


def test_nothing_changed_is_no_object() -> None:
    found = find_objects(lambda w: (np.zeros_like(CHANGE[w.slices]), SCORE[w.slices]), UTM, size=9)
    assert len(found.pixels) == 0
