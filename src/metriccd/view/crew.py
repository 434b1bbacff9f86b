"""The crew: threads that read files, each with files of its own that stay open."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from contextlib import AbstractContextManager, ExitStack
from queue import SimpleQueue
from typing import Any, TypeVar

from metriccd.raster import bounded_cache

T = TypeVar("T")
# Files that a thread keeps open.
OPEN = 12

_KEPT = threading.local()


class Crew:
    """Threads that do what they are asked, one after another."""

    def __init__(self, threads: int) -> None:
        """Of so many threads."""
        self._asked: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def ask(self, work: Callable[[], T]) -> Future[T]:
        """What comes of some work."""
        future: Future[T] = Future()
        self._asked.put((future, work))
        return future

    def close(self) -> None:
        """Closes all files, when what was asked is done."""
        for _ in self._threads:
            self._asked.put(None)
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        # Files may be closed in any order only within an environment that outlasts them.
        with bounded_cache():
            while (asked := self._asked.get()) is not None:
                future, work = asked
                if not future.set_running_or_notify_cancel():
                    continue
                try:
                    future.set_result(work())
                except BaseException as error:  # it is the asker's
                    future.set_exception(error)
            _close(0)


def kept(key: Hashable, opening: Callable[[], AbstractContextManager[T]]) -> T:
    """What a context yields, which this thread keeps open until others were wanted since.

    Args:
        key: What it is called.
        opening: Makes the context, where it is not open yet.
    """
    found: dict[Hashable, tuple[ExitStack, Any]] = _KEPT.__dict__.setdefault("contexts", {})
    if key in found:
        # The latest is the last.
        found[key] = found.pop(key)
    else:
        _close(OPEN - 1)
        stack = ExitStack()
        found[key] = stack, stack.enter_context(opening())
    value: T = found[key][1]
    return value


def _close(most: int) -> None:
    """Closes what was not wanted for longest, but for so many."""
    found: dict[Hashable, tuple[ExitStack, Any]] = _KEPT.__dict__.setdefault("contexts", {})
    while len(found) > most:
        found.pop(next(iter(found)))[0].close()
