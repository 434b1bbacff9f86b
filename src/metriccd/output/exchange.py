"""An exchange: two folders change names in one step, where the system has one."""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

# Of renameat2 and renamex_np: both names must exist, and change places.
AT_FDCWD, EXCHANGE, SWAP = -100, 2, 2
# What says that there is no such step here; EPERM is what some sandboxes answer.
UNKNOWN = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EPERM}


def exchange(one: Path, other: Path) -> bool:
    """Lets two folders change names at once; False where nothing was done for want of support.

    Raises:
        OSError: It is supported, and failed.
    """
    try:
        library = ctypes.CDLL(None, use_errno=True)
        names = (os.fsencode(one), os.fsencode(other))
        if sys.platform == "darwin":
            failed = library.renamex_np(*names, ctypes.c_uint(SWAP))
        else:
            here = ctypes.c_int(AT_FDCWD)
            failed = library.renameat2(here, names[0], here, names[1], ctypes.c_uint(EXCHANGE))
    except (AttributeError, OSError, TypeError):
        return False
    if not failed:
        return True
    number = ctypes.get_errno()
    if number in UNKNOWN:
        return False
    raise OSError(number, os.strerror(number))


@contextmanager
def undisturbed() -> Iterator[None]:
    """Lets the block end before an interrupt is heard."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heard: list[tuple[int, FrameType | None]] = []
    numbers = [getattr(signal, name, None) for name in ("SIGINT", "SIGTERM", "SIGHUP")]
    before = {
        number: handler
        for number in numbers
        if number is not None and callable(handler := signal.getsignal(number))
    }
    for number in before:
        signal.signal(number, lambda number, frame: heard.append((number, frame)))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for number, frame in heard[:1]:
            before[signal.Signals(number)](number, frame)
