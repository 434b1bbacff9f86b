"""The exchange: one step, or nothing; and no signal in between."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from metriccd.output.exchange import exchange, undisturbed


def test_two_folders_change_names(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a").write_text(name)
    if not exchange(tmp_path / "one", tmp_path / "other"):
        pytest.skip("this file system cannot exchange")
    assert (tmp_path / "one/a").read_text() == "other"
    assert (tmp_path / "other/a").read_text() == "one"


def test_what_is_not_there_is_an_error_and_what_cannot_be_had_is_none(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    with pytest.raises(FileNotFoundError):
        exchange(tmp_path / "one", tmp_path / "other")
    # A folder and what lies in it cannot change places; file systems without the step say so too.
    (tmp_path / "one/in").mkdir()
    assert not exchange(tmp_path / "one", tmp_path / "one/in")


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_is_heard_when_the_block_has_ended(name: str) -> None:
    number, heard = getattr(signal, name), []
    before = signal.signal(number, lambda *_: heard.append(number))
    try:
        with undisturbed():
            os.kill(os.getpid(), number)
            os.kill(os.getpid(), number)
            assert heard == []
        assert heard == [number]
    finally:
        signal.signal(number, before)


def test_a_signal_that_is_ignored_stays_so() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with undisturbed():
            signal.raise_signal(signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
