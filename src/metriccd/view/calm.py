"""Calm: what takes long goes on between the requests of whoever looks, not beside them."""

from __future__ import annotations

import time
from threading import Event

# Seconds without a request after which there is time for a step of what takes long.
QUIET = 0.25
# Seconds between two looks at that.
STEP = 0.02


class Calm:
    """When pictures were asked for last, and whether anybody will ask again.

    A lower priority alone would not do: a thread that holds the interpreter's lock while it waits
    for a processor holds up all the others.
    """

    def __init__(self) -> None:
        """With nobody who asked yet."""
        self._asked = -float("inf")
        self._somebody, self._closed = Event(), Event()

    def asked(self) -> None:
        """Notes that somebody looks."""
        self._asked = time.monotonic()
        self._somebody.set()

    def came(self) -> None:
        """Notes that somebody is there, who asks for no picture now."""
        self._somebody.set()

    def close(self) -> None:
        """Ends all waiting."""
        self._closed.set()
        self._somebody.set()

    def begun(self) -> bool:
        """Waits until somebody is there; False where nobody will be."""
        self._somebody.wait()
        return not self._closed.is_set()

    def wait(self, quiet: float = QUIET, *, unless: Event | None = None) -> bool:
        """Waits until nobody has asked for some seconds; False where nobody will any more.

        Args:
            quiet: The seconds.
            unless: Ends the waiting when it is set.
        """
        while not (self._closed.is_set() or (unless is not None and unless.is_set())):
            if time.monotonic() - self._asked >= quiet:
                break
            self._closed.wait(STEP)
        return not self._closed.is_set()
