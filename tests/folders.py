"""Folders as users have them, results in them, and processes that die at chosen calls."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

from metriccd.output import RECORD, output_folder
from metriccd.output import workshop as module
from metriccd.output.marker import MARKER

# Calls that change what is on disk.
CALLS = ("mkdir", "rename", "replace", "unlink", "rmdir", "open", "pwrite", "fsync", "chmod")


def fill(folder: Path, text: str = "new") -> None:
    """Writes what stands for a result: a record and a layer that agree."""
    (folder / RECORD).write_text(text)
    (folder / "score.tif").write_text(text)


def result(out: Path, text: str = "old") -> Path:
    """A result of ours."""
    with output_folder(out) as folder:
        fill(folder, text)
    return out


def everything(root: Path) -> set[str]:
    """Names of all that there is, but for the lists of what is ours."""
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.name != MARKER}


def contents(root: Path) -> dict[str, bytes | str]:
    """All there is, links not followed, but for the lists of what is ours."""
    found: dict[str, bytes | str] = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if path.is_symlink():
            found[name] = f"to {path.readlink()}"
        elif path.is_file() and path.name != MARKER:
            found[name] = path.read_bytes()
    return found


def dies(run: Callable[[], None], at: int, *, exchanges: bool = True) -> bool:
    """Runs in a process that is killed at its so-manieth call that changes something.

    Args:
        run: What it does.
        at: Calls that it makes before.
        exchanges: False = as if the file system could not exchange folders.

    Returns:
        False if it had ended before.
    """
    process = os.fork()
    if not process:
        _die_at(at, exchanges=exchanges)
        try:
            run()
        except BaseException:  # nothing of it may reach the tests
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(process, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


def _die_at(at: int, *, exchanges: bool) -> None:
    left = at

    def counted(call: Callable[..., object]) -> Callable[..., object]:
        def counting(*arguments: object, **options: object) -> object:
            nonlocal left
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1
            return call(*arguments, **options)

        return counting

    for name in CALLS:
        setattr(os, name, counted(getattr(os, name)))
    module.exchange = counted(module.exchange) if exchanges else lambda *_: False
