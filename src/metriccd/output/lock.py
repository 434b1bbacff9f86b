"""A lock: one process at a time, and none after it has died."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from metriccd.errors import OutputError

# What a file system answers that has no locks.
NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL}
# Where there are none: a file that is there while a process works.
HOLDER = "holder"
# The file in a folder that is written over many runs; it stays.
LOCK = ".lock"


class Lock:
    """A lock on a file, which the kernel drops when the process ends, however it ends.

    Where the file system has no locks, a file beside it stands for one; what a kill leaves of
    that, the user removes.
    """

    def __init__(self, path: Path) -> None:
        """Opens the file, which is made if it is not there; a link is not followed.

        Raises:
            OSError: It cannot be opened.
        """
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
        self._path, self._file = path, os.open(path, flags, 0o644)
        self._stands_in = False

    def take(self) -> bool:
        """Takes the lock; False if another process, or another part of this one, has it.

        Raises:
            OutputError: The file that stands in for a lock is there.
        """
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
            self._stand_in()
        return True

    def is_there(self) -> bool:
        """Whether the file still has its name."""
        try:
            return os.path.samestat(os.fstat(self._file), self._path.lstat())
        except FileNotFoundError:
            return False

    def text(self) -> str:
        """What the file says."""
        return os.pread(self._file, 2**16, 0).decode("utf-8", "replace")

    def write(self, text: str) -> None:
        """Replaces what the file says, in one step that no kill cuts in two: by as many bytes."""
        os.pwrite(self._file, text.encode(), 0)

    def close(self) -> None:
        """Gives the lock back."""
        if self._stands_in:
            self._path.with_name(HOLDER).unlink(missing_ok=True)
        os.close(self._file)

    def _stand_in(self) -> None:
        path = self._path.with_name(HOLDER)
        try:
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        except FileExistsError:
            raise OutputError(
                "OUT must not be in the making, and this file system has no locks: "
                f"if no process writes it any more, remove {path}"
            ) from None
        os.write(file, f"{os.getpid()} on {socket.gethostname()}\n".encode())
        os.close(file)
        self._stands_in = True


@contextmanager
def locked(out: Path, work: str) -> Iterator[None]:
    """Makes OUT if it is not there, and keeps others from the same work in it meanwhile.

    Args:
        out: A folder that is known to be ours, or new.
        work: What is done in it: "batch".

    Raises:
        OutputError: It cannot be written, or another process does the same in it.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock = Lock(out / LOCK)
    except OSError as error:
        reason = error.strerror or error
        raise OutputError(f"OUT must be writable: {out}: {reason}; choose another folder") from None
    with closing(lock):
        if not lock.take():
            raise OutputError(
                f"one {work} at a time writes a folder: another one writes {out}; wait for it, "
                "or choose another folder"
            )
        yield
