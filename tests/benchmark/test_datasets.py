"""Data sets: every pair of a folder is found, and what is no data set is said to be none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from metriccd.accuracy.reference import read_reference
from metriccd.benchmark.datasets import (
    DATASETS,
    SENTINEL2,
    find_pairs,
    oscd,
    plain,
    quickbird,
    sztaki,
)
from metriccd.errors import DataError
from metriccd.pair.pair import read_pair
from raster_files import write


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def test_oscd_takes_the_pictures_and_the_band_files_only_when_asked(tmp_path) -> None:
    touch(tmp_path, "a/cm/a-cm.tif", "a/pair/img1.png", "a/pair/img2.png", "a/imgs_1/x_B02.tif")
    touch(tmp_path, "a/imgs_2/y_B02.tif", "b/cm/b-cm.tif", "b/pair/img1.png", "b/pair/img2.png")
    touch(tmp_path, "unlabeled/pair/img1.png", "unlabeled/pair/img2.png", "README.txt")
    assert [(pair.name, pair.t1.name, pair.bands) for pair in oscd(tmp_path)] == [
        ("a", "img1.png", None),
        ("b", "img1.png", None),
    ]
    (pair,) = oscd(tmp_path, bands=["B02"])
    assert (pair.t1, pair.t2) == (tmp_path / "a/imgs_1", tmp_path / "a/imgs_2")
    assert pair.bands == ("B02",)


def test_oscd_without_pictures_takes_the_band_files(tmp_path) -> None:
    touch(tmp_path, "a/cm/a-cm.tif", "a/imgs_1/x_B02.tif", "a/imgs_2/y_B02.tif")
    (pair,) = oscd(tmp_path)
    assert (pair.t1.name, pair.t2.name, pair.bands) == ("imgs_1", "imgs_2", None)


def test_plain_pairs_have_one_stem_whatever_their_formats(tmp_path) -> None:
    touch(tmp_path, "t1/b.tif", "t1/a.png", "t1/a.png.aux.xml", "t1/.hidden")
    touch(tmp_path, "t2/a.tif", "t2/b.tif", "reference/b.png", "reference/a.bmp")
    pairs = plain(tmp_path)
    assert [pair.name for pair in pairs] == ["a", "b"]
    assert pairs[0].t1 == tmp_path / "t1/a.png"
    assert pairs[0].t2 == tmp_path / "t2/a.tif"
    assert pairs[0].reference == tmp_path / "reference/a.bmp"


def test_plain_says_what_is_missing(tmp_path) -> None:
    touch(tmp_path, "t1/a.tif", "t1/b.tif", "t2/a.tif", "reference/a.tif", "reference/b.tif")
    with pytest.raises(DataError, match=r"t2 has no b\.\*"):
        plain(tmp_path)


def city(root: Path, *names: str, labels: bool = True) -> Path:
    for name in names:
        touch(root, f"{name}/pair/img1.png", f"{name}/pair/img2.png")
        if labels:
            touch(root, f"{name}/cm/{name}-cm.tif")
    return root


def test_oscd_splits_as_its_authors_did(tmp_path) -> None:
    city(tmp_path, "paris", "rio", "saclay_e", "saclay_w")
    found = {
        split: [pair.name for pair in find_pairs("oscd", tmp_path, split=split)]
        for split in ("train", "test", "all")
    }
    assert found == {
        "train": ["paris", "saclay_e"],
        "test": ["rio", "saclay_w"],
        "all": ["paris", "rio", "saclay_e", "saclay_w"],
    }
    with pytest.raises(ValueError, match=r"no split 'val' in .*: choose from all, test, train"):
        find_pairs("oscd", tmp_path, split="val")


def test_test_cities_without_labels_are_one_line_and_no_matter_to_training(tmp_path) -> None:
    city(tmp_path, "paris")
    city(tmp_path, "rio", labels=False)
    for split, missing in (("all", "1 of 2"), ("test", "1 of 1")):
        with pytest.raises(DataError, match=f"{missing} have none.*rio-cm.tif; add") as error:
            find_pairs("oscd", tmp_path, split=split)
        assert "\n" not in str(error.value)
        assert str(error.value).endswith("choose --split train") == (split == "all")
    assert [pair.name for pair in find_pairs("oscd", tmp_path, split="train")] == ["paris"]


def test_sztaki_splits_by_place(tmp_path) -> None:
    for folder in ("Szada/1", "Szada/2", "Archieve/1"):
        touch(tmp_path, *(f"{folder}/{name}.bmp" for name in ("im1", "im2", "gt")))
    found = find_pairs("sztaki", tmp_path, split="Szada")
    assert [pair.name for pair in found] == ["Szada 1", "Szada 2"]
    assert len(find_pairs("sztaki", tmp_path)) == 3


def test_a_data_set_in_one_piece_has_no_splits(tmp_path) -> None:
    touch(tmp_path, "t1/a.tif", "t2/a.tif", "reference/a.tif")
    with pytest.raises(ValueError, match=r"no split 'test' in .*: choose from all$"):
        find_pairs("plain", tmp_path, split="test")
    (pair,) = find_pairs("plain", tmp_path, bands=["3", "2"])
    assert pair.bands == ("3", "2")
    with pytest.raises(ValueError, match="no data set 'levir'"):
        find_pairs("levir", tmp_path)


def test_in_quickbird_black_is_change(tmp_path) -> None:
    rng = np.random.default_rng(0)
    changed = np.zeros((32, 40), bool)
    changed[4:9, 10:20] = True
    for name in ("t1", "t2"):
        write(tmp_path / f"{name}.tif", rng.integers(0, 255, (3, 32, 40), np.uint8))
    write(tmp_path / "gt.tif", np.where(changed, 0, 255).astype(np.uint8)[None])
    (found,) = quickbird(tmp_path)
    assert found.inverted
    grid = read_pair(found.t1, found.t2).grid
    read, known = read_reference(found.reference, grid, inverted=found.inverted)
    np.testing.assert_array_equal(read, changed)
    assert known.all()
    np.testing.assert_array_equal(read_reference(found.reference, grid)[0], ~changed)


@pytest.mark.parametrize("name", DATASETS)
def test_another_folder_is_one_line_that_tells_the_layout(tmp_path, name: str) -> None:
    touch(tmp_path, "photos/holiday.jpg")
    with pytest.raises(DataError, match=r"holds .*: .* does not; check the path") as error:
        DATASETS[name](tmp_path)
    assert "\n" not in str(error.value)


def test_the_real_oscd_is_found_whole(data) -> None:
    assert len(oscd(data / "oscd")) == 14
    cities = [pair.name for pair in oscd(data / "oscd", bands=SENTINEL2)]
    assert cities == ["beihai", "bercy", "hongkong", "pisa", "rennes"]


@pytest.mark.parametrize(
    ("name", "chosen"),
    [("hongkong", ["B01", "B02", "B8A"]), ("bercy", SENTINEL2), ("beirut", None)],
)
def test_a_real_city_can_be_read_with_its_reference(data, name: str, chosen) -> None:
    (found,) = (pair for pair in oscd(data / "oscd", bands=chosen) if pair.name == name)
    pair = read_pair(found.t1, found.t2, bands=found.bands)
    assert [band.name for band in pair.t1.bands] == list(chosen or ["1", "2", "3"])
    changed, known = read_reference(found.reference, pair.grid)
    assert known.all()
    assert 0.001 < changed.mean() < 0.2


def test_the_real_sztaki_is_found_whole(data) -> None:
    pairs = sztaki(data / "sztaki")
    names = ["Szada 1", "Szada 2", "Szada 3", "Tiszadob 2", "Tiszadob 3"]
    assert [pair.name for pair in pairs] == names
    pair = read_pair(pairs[0].t1, pairs[0].t2)
    assert read_reference(pairs[0].reference, pair.grid)[0].any()
