"""The lock: dropped with its process, and stood in for where a file system has none."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from folders import everything, result
from metriccd.errors import OutputError
from metriccd.output import RECORD, output_folder
from metriccd.output.lock import Lock, locked
from metriccd.output.place import unfinished_path


def test_a_lock_is_dropped_with_its_process(tmp_path: Path) -> None:
    told, tell = os.pipe()
    process = os.fork()
    if not process:
        Lock(tmp_path / "lock").take()
        os.write(tell, b"x")
        signal.pause()
    os.read(told, 1)
    lock = Lock(tmp_path / "lock")
    assert not lock.take()
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    assert lock.take()
    lock.close()


def test_a_folder_is_free_again_when_its_work_has_ended_however_it_did(tmp_path: Path) -> None:
    out = tmp_path / "new/out"
    for _ in range(2):
        with suppress(KeyError), locked(out, "work"):
            with pytest.raises(OutputError, match="one work at a time"), locked(out, "work"):
                pytest.fail("two worked")
            raise KeyError
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="must be writable"), locked(tmp_path / "file", "work"):
        pytest.fail("work began")


def test_a_lock_whose_file_was_removed_is_known(tmp_path: Path) -> None:
    lock = Lock(tmp_path / "lock")
    assert lock.take()
    assert lock.is_there()
    (tmp_path / "lock").unlink()
    assert not lock.is_there()
    (tmp_path / "lock").touch()
    assert not lock.is_there()
    lock.close()


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to("mine")
    with pytest.raises(OSError, match="symbolic"):
        Lock(tmp_path / "lock")
    assert not (tmp_path / "mine").exists()


def no_locks(*_arguments: object) -> None:
    raise OSError(errno.ENOTSUP, "Operation not supported")


def test_where_there_are_no_locks_a_file_stands_in(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(fcntl, "flock", no_locks)
    out, holder = tmp_path / "out", unfinished_path(tmp_path / "out") / "holder"
    with output_folder(out) as folder:
        (folder / RECORD).write_text("new")
        assert holder.read_text().startswith(f"{os.getpid()} on ")
        with pytest.raises(OutputError, match=r"if no process writes it any more, remove .*holder"):
            result(out)
    assert everything(tmp_path) == {"out", f"out/{RECORD}"}
    process = os.fork()
    if not process:
        with output_folder(tmp_path / "other"):
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(process, 0)
    with pytest.raises(OutputError, match="this file system has no locks"):
        result(tmp_path / "other")
    (unfinished_path(tmp_path / "other") / "holder").unlink()
    result(tmp_path / "other")
    assert everything(tmp_path) == {
        *("out", f"out/{RECORD}", "other", f"other/{RECORD}", "other/score.tif"),
    }
