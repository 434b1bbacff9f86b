"""The catalog: results, folders of them, and nothing that a link leads to."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from metriccd.errors import DataError
from metriccd.view import find_results
from viewed import copied


def test_results_batches_and_series_are_listed(tmp_path: Path) -> None:
    out = copied(tmp_path / "made", size=(96, 128))
    for name in ("b", "a"):
        shutil.copytree(out, tmp_path / "batch" / "pairs" / name)
    (tmp_path / "batch" / "pairs" / "unfinished").mkdir()
    shutil.copytree(out, tmp_path / "mine" / "first")
    shutil.copytree(out, tmp_path / "mine" / "second")
    found = find_results([out, tmp_path / "batch", tmp_path / "mine"])
    assert [each.name for each in found] == ["out", "a", "b", "first", "second"]
    facts = found[1].facts()
    assert facts["dates"] == ["2020-04-01", "2020-09-01"]
    assert 0 < facts["share"] < 1
    assert not facts["reviewed"]


def test_a_folder_without_results_is_refused(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "missing"):
        with pytest.raises(DataError, match="holds no run"):
            find_results([place])


def test_links_within_a_folder_are_not_followed(tmp_path: Path) -> None:
    out = copied(tmp_path / "made", size=(96, 128))
    (tmp_path / "many").mkdir()
    (tmp_path / "many" / "link").symlink_to(out)
    with pytest.raises(DataError, match="holds no run"):
        find_results([tmp_path / "many"])
    # What the user himself names may be a link.
    assert find_results([tmp_path / "many" / "link"])[0].folder == out.resolve()


def test_a_broken_record_is_told_in_the_list(tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "run.json").write_text("[")
    (tmp_path / "broken" / "score.tif").touch()
    (entry,) = find_results([tmp_path])
    assert "run.json must be JSON" in entry.facts()["error"]
