"""What is remembered of a file is what it holds, however soon it is changed."""

from __future__ import annotations

import os
import time
from pathlib import Path

from metriccd.trust import Stamp, remembered
from metriccd.trust.files import strangers_in
from metriccd.trust.stamps import COARSE


def test_a_file_is_read_once_unless_it_changed_or_did_just_now(tmp_path: Path) -> None:
    path, read = tmp_path / "a", []

    def text_of(path: Path) -> str:
        read.append(path)
        return path.read_text()

    told = remembered(text_of, most=2)
    path.write_text("one")
    (tmp_path / "folder").mkdir()
    # Another change may leave the same stamp.
    assert [told(path), told(path)] == ["one", "one"]
    assert len(read) == 2
    assert not strangers_in(tmp_path / "folder")
    time.sleep(COARSE / 1e9 + 0.05)
    assert [told(path), told(path)] == ["one", "one"]
    assert len(read) == 3
    assert not strangers_in(tmp_path / "folder")
    before = path.stat()
    path.write_text("two")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert told(path) == "two"
    # Of a folder it is what comes and goes.
    os.mkfifo(tmp_path / "folder/pipe.tif")
    assert strangers_in(tmp_path / "folder") == ["pipe.tif"]


def test_what_is_not_there_has_no_stamp_and_is_asked_each_time(tmp_path: Path) -> None:
    assert Stamp.of(tmp_path / "none") is None
    told = remembered(Path.exists, most=2)
    assert not told(tmp_path / "none")
    (tmp_path / "none").touch()
    assert told(tmp_path / "none")
