"""Files and folders, and what only looks like them: pipes and devices, which may never end."""

from __future__ import annotations

import os
import stat
from functools import partial
from pathlib import Path

from metriccd.errors import DataError
from metriccd.trust.stamps import remembered

# Folders whose files are made up by the kernel, of no size; some block whoever reads them.
UNREAL = ("/proc", "/sys")
KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def kind_of(path: Path) -> str | None:
    """What something is that is neither a file nor a folder; None of these and of nothing."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    kind = KINDS.get(stat.S_IFMT(found.st_mode))
    if kind is None and found.st_size == 0 and stat.S_ISREG(found.st_mode):
        real = Path(os.path.realpath(path))
        kind = "made up by the system" if any(map(real.is_relative_to, UNREAL)) else None
    return kind


def require_file(path: str | os.PathLike[str], shown: str | None = None) -> None:
    """Refuses what is neither a file nor a folder; what does not exist is left to who opens it.

    Args:
        path: Where it is.
        shown: What to call it.

    Raises:
        DataError: A pipe, a socket or a device.
    """
    kind = kind_of(Path(path))
    if kind is not None:
        raise DataError(
            f"an input must be a file or a folder: {shown or path} is {kind}, which may never "
            "end; save what it gives to a file first"
        )


def strangers_in(folder: Path, *, deep: bool = False) -> list[str]:
    """Names of what is neither a file nor a folder, in a folder; with `deep` in all within too."""
    # A batch opens images of one folder again and again, which may hold a hundred thousand.
    return _strangers(folder, deep=True) if deep else _strangers_beside(folder)


def _strangers(folder: Path, *, deep: bool) -> list[str]:
    found, todo = [], [folder]
    while todo:
        try:
            with os.scandir(todo.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        todo += [Path(entry.path)] if deep else []
                    elif not entry.is_file() and kind_of(Path(entry.path)):
                        found.append(os.path.relpath(entry.path, folder))
        except OSError:
            continue
    return found


_strangers_beside = remembered(partial(_strangers, deep=False), most=64)
