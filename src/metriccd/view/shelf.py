"""The shelf: results that are open, a few at a time, each anew where it was replaced on disk."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock

from metriccd.view.catalog import Entry
from metriccd.view.desk import Desk
from metriccd.view.scene import Scene, stamp_of

# Open results: each holds its objects in memory.
OPEN = 4


class Shelf:
    """Open results."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        """Of a catalog."""
        self._entries, self._lock = entries, Lock()
        self._open: dict[int, Desk] = {}

    def take(self, number: int) -> Desk:
        """An open result, by its number in the catalog.

        Raises:
            DataError: It cannot be opened.
        """
        folder = self._entries[number].folder
        stamp = stamp_of(folder)
        with self._lock:
            desk = self._open.pop(number, None)
            if desk is None or desk.scene.stamp != stamp:
                if desk is not None:
                    desk.close()
                desk = Desk(Scene.opened(folder))
            # The latest is the last, and the first one goes.
            self._open[number] = desk
            while len(self._open) > OPEN:
                self._open.pop(next(iter(self._open))).close()
            return desk

    def close(self) -> None:
        """Ends what open results are doing."""
        with self._lock:
            for desk in self._open.values():
                desk.close()
