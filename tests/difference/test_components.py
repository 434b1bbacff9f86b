from __future__ import annotations

import numpy as np
import pytest
from difference_scenes import flat, pair
from skimage.util import view_as_blocks, view_as_windows
from sklearn.decomposition import PCA

from metriccd.difference import dpca, on_arrays, pca_kmeans, pcda
from metriccd.errors import DataError


def test_dpca_equals_scikit_learn_pca_of_the_absolute_difference() -> None:
    t1, t2 = pair()
    expected = np.abs(PCA().fit_transform(np.abs(flat(t1) - flat(t2))))
    np.testing.assert_allclose(flat(on_arrays(dpca, t1, t2)), expected, atol=1e-8)


def test_dpca_of_one_band_is_the_absolute_difference() -> None:
    t1, t2 = pair(bands=1)
    np.testing.assert_array_equal(on_arrays(dpca, t1, t2), np.abs(t1 - t2))


def test_pcda_equals_scikit_learn_pca_of_each_date_with_signs_matched() -> None:
    t1, t2 = pair()
    first, second = (PCA().fit_transform(flat(t)) for t in (t1, t2))
    signs = np.sign((first * second).sum(axis=0))
    np.testing.assert_allclose(
        flat(on_arrays(pcda, t1, t2)), np.abs(first - signs * second), atol=1e-8
    )


def centered(vectors: np.ndarray) -> np.ndarray:
    return vectors - vectors.mean(axis=0)


@pytest.mark.parametrize(("size", "components"), [(3, 2), (4, 3), (5, 4)])
def test_pca_kmeans_vectors_equal_celik_up_to_sign_and_translation(
    size: int, components: int
) -> None:
    t1, t2 = pair(bands=2, rows=41, cols=38)
    vectors = on_arrays(pca_kmeans, t1, t2, size=size, components=components)
    for band in range(2):
        delta = np.abs(t1[band] - t2[band])
        rows, cols = (side - side % size for side in delta.shape)
        patches = view_as_blocks(delta[:rows, :cols], (size, size)).reshape(-1, size**2)
        windows = view_as_windows(delta, (size, size))
        expected = PCA(components).fit(patches).transform(windows.reshape(-1, size**2))
        up, down = size // 2, size - 1 - size // 2
        ours = vectors[band * components :, up : 41 - down, up : 38 - down][:components]
        ours = centered(flat(ours))
        signs = np.sign((ours * expected).sum(axis=0))
        np.testing.assert_allclose(ours * signs, centered(expected), atol=1e-8)


def test_pca_kmeans_of_patches_of_one_pixel_is_the_absolute_difference() -> None:
    t1, t2 = pair()
    vectors = on_arrays(pca_kmeans, t1, t2, size=1, components=1)
    np.testing.assert_allclose(vectors, np.abs(t1 - t2))


def test_pca_kmeans_takes_the_center_for_neighbors_that_are_no_data() -> None:
    t1, t2 = pair(bands=1, rows=12, cols=12)
    valid = np.ones((12, 12), dtype=bool)
    valid[6, 5] = False
    image = pca_kmeans([(t1, t2, valid)], size=3, components=2)
    t1[:, 6, 5] = np.nan
    holed = image.apply(t1, t2)[:, 6, 6]
    t1[:, 6, 5], t2[:, 6, 5] = t1[:, 6, 6], t2[:, 6, 6]
    np.testing.assert_allclose(holed, image.apply(t1, t2)[:, 6, 6])


@pytest.mark.parametrize(("size", "components"), [(0, 1), (3, 0), (3, 10)])
def test_pca_kmeans_refuses_more_axes_than_pixels(size: int, components: int) -> None:
    with pytest.raises(ValueError, match="components must lie in"):
        on_arrays(pca_kmeans, *pair(), size=size, components=components)


def test_pca_kmeans_without_a_whole_patch_is_a_fault_in_the_data() -> None:
    t1, t2 = pair(rows=40, cols=3)
    with pytest.raises(DataError, match="4×4 patch"):
        on_arrays(pca_kmeans, t1, t2)
