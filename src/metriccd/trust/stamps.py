"""Stamps of files: whether something may have changed, without reading it again."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, TypeVar

T = TypeVar("T")
# Nanoseconds for which the clock of a file system may stand still: two changes so near to each
# other may leave the same stamp.
COARSE = 2_000_000_000


class Stamp(NamedTuple):
    """What tells at once that a file may have changed.

    Size and date alone do not: programs that copy keep both. A file that was replaced is another
    inode, and what is done to one leaves the time of its last change, which nobody can set. Both
    also change where the content stays, so they only say which files to read again.
    """

    size: int
    modified: int
    changed: int
    inode: int

    @classmethod
    def of(cls, path: str | Path) -> Stamp | None:
        """Of a file as it is now; None where there is none."""
        try:
            # Not by way of `Path`, which takes three times what the disk does: a batch asks often.
            found = os.stat(path)  # noqa: PTH116
        except (OSError, ValueError):
            return None
        return cls(found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)

    @property
    def settled(self) -> bool:
        """Whether another change would leave another stamp."""
        return time.time_ns() - self.changed > COARSE


def remembered(work: Callable[[Path], T], *, most: int) -> Callable[[Path], T]:
    """A function that is asked again of a file or a folder only where its stamp changed.

    Args:
        work: What it tells of a path, by its content alone.
        most: Paths of which it is remembered.
    """

    @lru_cache(maxsize=most)
    def known(path: Path, _stamp: Stamp) -> T:
        return work(path)

    def told(path: Path) -> T:
        stamp = Stamp.of(path)
        return known(path, stamp) if stamp is not None and stamp.settled else work(path)

    return told
