"""The content of a pair: what is replaced is noticed, what is only touched or copied is not."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from batch.pairs import crops
from metriccd.batch.content import content_of, key_of, result_of, unchanged, whole
from metriccd.detection import detect_into
from metriccd.result import decide_again


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "a.tif"
    path.write_bytes(b"pixels")
    return path


def known(path: Path) -> dict:
    """As the journal holds it."""
    return json.loads(json.dumps(content_of([str(path)])))


def test_a_key_tells_images_and_settings() -> None:
    one = key_of("a", "b", {"seed": 0})
    assert one == key_of("a", "b", {"seed": 0})
    others = [("a", "c", {"seed": 0}), ("b", "a", {"seed": 0}), ("a", "b", {"seed": 1})]
    assert one not in {key_of(*other) for other in others}


def test_files_that_are_touched_or_copied_are_what_they_were(image: Path) -> None:
    content = known(image)
    assert unchanged(content)
    os.utime(image, ns=(1, 1))
    assert unchanged(content)
    shutil.copy(image, image.with_name("copy"))
    image.with_name("copy").replace(image)
    assert unchanged(content)


def test_a_file_of_other_content_is_noticed_whatever_its_size_and_date(image: Path) -> None:
    content, before = known(image), image.stat()
    image.write_bytes(b"others")
    os.utime(image, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert image.stat().st_size == before.st_size
    assert not unchanged(content)
    image.unlink()
    assert not unchanged(content)


def test_what_comes_or_goes_beside_an_image_is_noticed(image: Path) -> None:
    content = known(image)
    beside = image.with_name("a.tif.aux.xml")
    beside.write_text("<PAMDataset/>")
    assert not unchanged(content)
    both = known(image)
    assert unchanged(both)
    beside.unlink()
    assert unchanged(content)
    assert not unchanged(both)


def test_a_folder_is_the_names_in_it(tmp_path: Path) -> None:
    folder = tmp_path / "product"
    folder.mkdir()
    (folder / "B04.tif").touch()
    content = known(folder)
    os.utime(folder, ns=(1, 1))
    assert unchanged(content)
    (folder / "B08.tif").touch()
    assert not unchanged(content)


@pytest.fixture(scope="module")
def results(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results a and b of two pairs."""
    folder = tmp_path_factory.mktemp("results")
    crops(data, folder, "ab")
    for name in "ab":
        images = (folder / f"{name}-{date}.tif" for date in ("t1", "t2"))
        detect_into(folder / name, *images, preset="fast")
    return folder


def test_a_result_that_was_copied_looked_at_or_decided_again_is_there(
    results: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "a"
    known = result_of(results / "a")
    shutil.copytree(results / "a", folder)
    found = whole(folder, known)
    assert found == result_of(folder) != known
    assert whole(folder, found) == found
    (folder / "score.tif.aux.xml").write_text("<PAMDataset></PAMDataset>")
    assert whole(folder, known)
    decide_again(folder, 0.4)
    assert whole(folder, known)


@pytest.mark.parametrize("file", ["change.tif", "run.json", ".metriccd"])
def test_a_result_that_lacks_a_file_or_has_anothers_is_not_there(
    results: Path, tmp_path: Path, file: str
) -> None:
    folder = tmp_path / "a"
    shutil.copytree(results / "a", folder)
    known = result_of(folder)
    shutil.copy(results / "b" / file, folder)
    assert whole(folder, known) is None
    (folder / file).unlink()
    assert whole(folder, known) is None


def test_a_result_of_another_pair_is_not_there(results: Path, tmp_path: Path) -> None:
    assert whole(results / "b", result_of(results / "a")) is None
    assert whole(tmp_path / "none", result_of(results / "a")) is None
    assert whole(tmp_path / "none", result_of(tmp_path / "neither")) is None
