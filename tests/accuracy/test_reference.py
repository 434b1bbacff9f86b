"""References: every coding people use is read, and an ambiguous one is refused."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import rasterio

from metriccd.accuracy.reference import Legend, combine_masks, decode_reference
from metriccd.errors import DataError
from metriccd.scene.histogram import Histogram

# The pictures of the data sets carry no georeference.
pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

RNG = np.random.default_rng(11)


def read(path: Path) -> np.ndarray:
    with rasterio.open(path) as image:
        bands: np.ndarray = image.read()
        return bands


@pytest.mark.parametrize(
    ("labels", "changed", "known"),
    [
        ([0, 1, 1], [0, 1, 1], [1, 1, 1]),
        ([0, 255, 0], [0, 1, 0], [1, 1, 1]),
        ([1, 2, 1], [0, 1, 0], [1, 1, 1]),
        ([0, 1, 255], [0, 1, 0], [1, 1, 0]),
        ([0, 0, 0], [0, 0, 0], [1, 1, 1]),
        ([0.0, 1.0, math.nan], [0, 1, 0], [1, 1, 0]),
        ([False, True, True], [0, 1, 1], [1, 1, 1]),
        ([True, True, True], [1, 1, 1], [1, 1, 1]),
    ],
    ids=str,
)
def test_reference_codings(labels: list[float], changed: list[int], known: list[int]) -> None:
    array = np.array([labels])
    array = array.astype(np.uint8) if array.dtype == np.int64 else array
    found = decode_reference(array)
    np.testing.assert_array_equal(found, np.array([[changed], [known]], bool))


def test_gray_levels_of_a_compressed_mask_split_at_127() -> None:
    truth = np.zeros((40, 50), bool)
    truth[10:30, 20:40] = True
    levels = truth * 255 + RNG.integers(-20, 21, truth.shape)
    levels[10, 20:40] = RNG.integers(60, 128, 20)
    changed, known = decode_reference(levels.clip(0, 255).astype(np.uint8))
    truth[10] = False
    np.testing.assert_array_equal(changed, truth)
    assert known.all()


@pytest.mark.parametrize(
    ("labels", "shown"),
    [
        ([0, 1, 2], "0, 1, 2"),
        ([1, 255], "1, 255"),
        ([0, 1, 2, 255], "0, 1, 2, 255"),
        ([0, 128], "0, 128"),
        ([-1, 0, 1], "-1, 0, 1"),
        ([0, 250, 253, 255, 1000], "0, 250, 253, 255, 1000"),
        (range(256), "0, 1, 2, 3, 4, 5, 6, 7, …"),
        ([math.nan], "nothing"),
    ],
    ids=str,
)
def test_ambiguous_reference_is_refused_with_its_values_and_a_remedy(
    labels: list[float], shown: str
) -> None:
    with pytest.raises(DataError, match=f"got {shown}: recode it to 0 = no change") as caught:
        decode_reference(np.array([labels]))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("nodata", [-9999, 99])
def test_nodata_pixels_are_unknown_and_do_not_confuse_the_coding(nodata: int) -> None:
    labels = np.array([[0, 1, nodata, 1]], np.int16)
    valid = labels != nodata
    changed, known = decode_reference(labels, valid)
    assert changed.tolist() == [[False, True, False, True]]
    assert known.tolist() == valid.tolist()


def test_windows_of_a_reference_decode_as_the_whole() -> None:
    labels = np.ones((60, 40), np.uint8)
    labels[50:] = 2
    counts = Histogram()
    for window in (labels[:30], labels[30:]):
        counts.update(window)
    legend = Legend.of(counts)
    windows = [legend.decode(window)[0] for window in (labels[:30], labels[30:])]
    np.testing.assert_array_equal(np.concatenate(windows), decode_reference(labels)[0])


@pytest.mark.parametrize(
    ("path", "share"),
    [
        ("oscd/beirut/cm/beirut-cm.tif", 0.0269),
        ("oscd/paris/cm/paris-cm.tif", 0.0029),
        ("sztaki/Szada/1/gt.bmp", 0.0395),
    ],
)
def test_real_references_decode_to_the_share_of_change(data: Path, path: str, share: float) -> None:
    changed, known = decode_reference(read(data / path)[0])
    assert known.all()
    assert changed.mean() == pytest.approx(share, abs=1e-4)


def test_sparse_reference_in_two_masks_leaves_the_rest_unknown(data: Path) -> None:
    taizhou = data / "landsat" / "taizhou"
    masks = [decode_reference(read(taizhou / f"{n}.bmp")[0])[0] for n in ("change", "unchanged")]
    changed, known = combine_masks(*masks)
    assert (changed.sum(), known.sum()) == (4227, 4227 + 17163)
    assert not (changed & ~known).any()


def test_masks_that_contradict_each_other_are_refused() -> None:
    mask = np.array([[True, True, False]])
    with pytest.raises(DataError, match="got 2 marked as both: correct"):
        combine_masks(mask, mask)
