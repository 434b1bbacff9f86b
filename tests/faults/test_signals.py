"""Signals: the first lets running pairs end, the end of a terminal ends at once, all can go on."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from batch.runs import NET, found_in, stamps, started, until


@pytest.mark.parametrize(
    ("number", "all_hear"),
    [
        pytest.param(signal.SIGTERM, False, id="kill", marks=pytest.mark.slow),
        pytest.param(signal.SIGTERM, True, id="job", marks=pytest.mark.slow),
        pytest.param(signal.SIGHUP, True, id="terminal", marks=pytest.mark.slow),
    ],
)
def test_after_a_signal_the_same_command_goes_on(
    number: signal.Signals, all_hear: bool, tmp_path: Path, undisturbed: dict[str, Any]
) -> None:
    manifest, out = undisturbed["manifest"], tmp_path / "out"
    # What tests under nohup start does not hear that a terminal is closed, and should not.
    ignored = signal.signal(number, signal.SIG_DFL)
    with started(manifest, out, "--preset", "fast") as process:
        signal.signal(number, ignored)
        until((out / "pairs/.a-unfinished").exists)
        (os.killpg if all_hear else os.kill)(process.pid, number)
        told, words = process.communicate(timeout=NET)
    assert process.returncode == 130, words
    assert "Traceback" not in words
    before = stamps(out)
    if not all_hear:
        # What ran has ended.
        assert (json.loads(told)["done"], json.loads(told)["failed"]) == (len(before), 0)
        assert before
    with started(manifest, out, "--preset", "fast") as process:
        told, words = process.communicate(timeout=NET)
    assert process.returncode == 0, words
    assert found_in(out) == undisturbed["found"]
    known = json.loads(told)["kept"]
    assert known == len([name for name in before if stamps(out)[name] == before[name]])


@pytest.mark.slow
def test_an_interrupt_before_the_first_pair_ends_at_once(
    tmp_path: Path, undisturbed: dict[str, Any]
) -> None:
    out = tmp_path / "out"
    with started(undisturbed["manifest"], out, "--preset", "fast") as process:
        until((out / "batch.json").exists)
        os.killpg(process.pid, signal.SIGINT)
        _, words = process.communicate(timeout=NET)
    assert process.returncode == 130, words
    assert "Traceback" not in words
    assert "the same command goes on" in words
