"""OUT of a batch: only a folder that is new, or that a batch has made, is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from metriccd.batch.place import LOCK, MARKER, Place
from metriccd.errors import OutputError


@pytest.mark.parametrize("text", ['{"mine": 1}', "", "[1]", "[" * 10**5, "no JSON"])
def test_another_programs_folder_is_left_alone_whatever_its_files_are_called(
    tmp_path: Path, text: str
) -> None:
    (tmp_path / MARKER).write_text(text)
    (tmp_path / "index.html").write_text("my page")
    with pytest.raises(OutputError, match="neither"), Place.opened(tmp_path):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == [MARKER, "index.html"]


def test_a_batch_that_was_killed_before_it_marked_its_folder_goes_on(tmp_path: Path) -> None:
    (tmp_path / LOCK).touch()
    (tmp_path / f".{MARKER}").write_text("{")
    for _ in range(2):
        with Place.opened(tmp_path) as place:
            assert place.out == tmp_path


def test_a_name_that_no_summary_could_hold_is_refused_before_work(tmp_path: Path) -> None:
    with (
        pytest.raises(OutputError, match="must have a name in UTF-8"),
        Place.opened(tmp_path / "o\udcfft"),
    ):
        pass
    assert not list(tmp_path.iterdir())
