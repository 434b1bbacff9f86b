"""The content of a pair: what is replaced is noticed, what is only touched or copied is not."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from metriccd.batch.content import content_of, key_of, unchanged


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
