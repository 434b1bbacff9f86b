"""Errors: whatever an exception is, it ends a command with one short line and an exit code."""

from __future__ import annotations

import errno

import pytest

from metriccd.errors import DataError, fault_of

LONG = "x" * 100_000


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (DataError("a value must be short: got 3; shorten it"), 3, "must be short"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (MemoryError(), 3, "memory must suffice"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), 3, "memory"),
        (RuntimeError("can't start new thread"), 3, "threads must start"),
        (RuntimeError("Symlink loop from 'loop'"), 3, "'loop'"),
        (OSError(errno.ENAMETOOLONG, "File name too long", LONG), 3, "File name too long: xxx"),
        (OSError(errno.ENOSPC, "No space left on device", "out"), 3, "free space"),
        (OSError(errno.EMFILE, "Too many open files"), 3, "ulimit -n"),
        (OSError("no number"), 3, "no number"),
        (ImportError("libx.so: failed to map segment"), 3, "must load"),
        (ImportError("cannot import name", name="metriccd.cli"), 1, "bug"),
        (UnicodeEncodeError("utf-8", "a\udcff", 1, 2, "surrogates not allowed"), 3, "UTF-8"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"), 3, "invalid start"),
        (TypeError("NoneType"), 1, "bug of metriccd, not of your data: TypeError: NoneType"),
        (RecursionError("maximum recursion depth exceeded"), 1, "METRICCD_TRACEBACK=1"),
    ],
    ids=repr,
)
def test_an_exception_is_a_line_and_a_code(error: BaseException, code: int, words: str) -> None:
    found = fault_of(error)
    assert found.code == code
    assert words in found.line
    assert len(found.line) <= 600


@pytest.mark.parametrize("kind", [DataError, TypeError, OSError])
@pytest.mark.parametrize("text", [LONG, "word " * 9999, "a\nb\x1b[31m\x07\0\udcff é" * 200])
def test_a_line_is_short_and_harmless_whatever_it_tells(kind, text: str) -> None:
    line = fault_of(kind(text)).line
    assert line.isprintable()
    assert len(line) <= 600
    assert "…" in line


def test_a_long_value_keeps_both_ends_and_what_to_do() -> None:
    line = fault_of(DataError(f"a name must be short: got begin{LONG}end; shorten it")).line
    assert line.startswith("error: a name must be short: got begin")
    assert line.endswith("xend; shorten it")
