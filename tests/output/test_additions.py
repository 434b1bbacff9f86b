"""Additions: entered into the list, whole, and never over somebody else's file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from folders import contents, dies, everything, fill, result
from metriccd.errors import OutputError
from metriccd.output import (
    RECORD,
    add_together,
    additions,
    output_folder,
    require_ours,
    write_together,
)
from metriccd.output.marker import Marker

NEW = {"errors.png": b"map", "evaluation.json": b"{}"}


def foreign(out: Path) -> list[str]:
    marker = Marker.read(out)
    assert marker is not None
    return marker.foreign(out)


def test_what_is_added_is_ours_from_then_on(tmp_path: Path) -> None:
    out = result(tmp_path / "out")
    add_together(out, NEW)
    assert foreign(out) == []
    add_together(out, {"errors.png": b"another"})
    assert (out / "errors.png").read_bytes() == b"another"
    with output_folder(out, overwrite=True) as folder:
        fill(folder)
    assert everything(tmp_path) == {"out", f"out/{RECORD}", "out/score.tif"}


@pytest.mark.parametrize("kind", ["file", "folder", "link", "edited"])
def test_a_file_of_somebody_else_is_refused_before_work(tmp_path: Path, kind: str) -> None:
    out, place = result(tmp_path / "out"), tmp_path / "out/errors.png"
    if kind == "file":
        place.write_text("mine")
    elif kind == "folder":
        place.mkdir()
        (place / "a").write_text("mine")
    elif kind == "link":
        (tmp_path / "mine").write_text("mine")
        place.symlink_to(tmp_path / "mine")
    else:
        add_together(out, NEW)
        place.write_text("mine")
    before = contents(tmp_path)
    with pytest.raises(OutputError, match=r"errors\.png"), additions(out, NEW):
        pytest.fail("work began")
    with pytest.raises(OutputError, match=r"errors\.png"):
        require_ours(out, NEW)
    assert contents(tmp_path) == before


def test_a_file_that_is_edited_stays_the_users_where_it_was(tmp_path: Path) -> None:
    out = result(tmp_path / "out")
    (out / "score.tif").write_text("mine")
    with additions(out, ["score.tif", *NEW], edited=["score.tif"]) as add:
        add({**NEW, "score.tif": b"mine and more"})
    assert foreign(out) == ["score.tif (changed since)"]
    with additions(out, [RECORD], edited=[RECORD]) as add:
        add({RECORD: b"old and more"})
    assert foreign(out) == ["score.tif (changed since)"]


def test_a_kill_while_files_are_added_leaves_all_of_them_ours(tmp_path: Path) -> None:
    out = tmp_path / "out"
    for at in range(100):
        result(out)
        add_together(out, dict.fromkeys(NEW, b"before"))
        killed = dies(lambda: add_together(out, NEW), at)
        assert foreign(out) == [], at
        add_together(out, NEW)
        assert all((out / name).read_bytes() == content for name, content in NEW.items())
        with output_folder(out, overwrite=True) as folder:
            fill(folder)
        assert everything(tmp_path) == {"out", f"out/{RECORD}", "out/score.tif"}
        (out / ".metriccd").unlink()
        for name in (RECORD, "score.tif"):
            (out / name).unlink()
        if not killed:
            break
    assert 10 < at < 99


def test_files_are_added_together(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    write_together(tmp_path, {"a": b"1", "b": b"2"})
    assert everything(tmp_path) == {"a", "b"}
    assert (tmp_path / "a").read_bytes() == b"1"
    with pytest.raises(OutputError):
        write_together(tmp_path / "missing", {"a": b"1"})


@pytest.mark.skipif(os.geteuid() == 0 and not Path("/proc").is_dir(), reason="needs /proc")
def test_a_folder_that_cannot_be_written_is_one_line() -> None:
    with pytest.raises(OutputError, match="OUT must be writable"):
        add_together(Path("/proc/self"), NEW)
