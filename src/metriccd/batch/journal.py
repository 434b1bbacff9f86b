"""The journal of a batch: which pairs are finished and which failed, a line each.

A benchmark keeps its runs by settings, a file each, because runs of many settings stay beside one
another. A batch keeps the last word on each pair, of which there may be a hundred thousand.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from metriccd.errors import OutputError

JOURNAL = "journal.jsonl"


class Journal:
    """What is known of each pair: the last line on it. Lines that are cut or spoiled do not count.

    Only places in the file are held in memory.
    """

    def __init__(self, out: Path) -> None:
        """Opens the journal in OUT, or begins one.

        Raises:
            OutputError: It cannot be written.
        """
        self._places: dict[str, int] = {}
        try:
            self._stream: BinaryIO = (out / JOURNAL).open("a+b")
            self._read()
        except OSError as error:
            raise OutputError(f"OUT must be writable: {out / JOURNAL}: {error.strerror}") from None

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def find(self, name: str) -> dict[str, Any] | None:
        """The last word on a pair."""
        if name not in self._places:
            return None
        self._stream.seek(self._places[name])
        found: dict[str, Any] = json.loads(self._stream.readline())
        return found

    def add(self, entry: Mapping[str, Any]) -> None:
        """Adds a line on the pair `entry["id"]`, on disk as soon as this returns.

        Raises:
            OutputError: The disk is full.
        """
        line = json.dumps(entry, ensure_ascii=False, default=str).encode("utf-8", "replace")
        place = self._stream.seek(0, 2)
        try:
            self._stream.write(line + b"\n")
            self._stream.flush()
        except OSError as error:
            raise OutputError(f"OUT must be writable: the journal: {error.strerror}") from None
        self._places[str(entry["id"])] = place

    def _read(self) -> None:
        self._stream.seek(0)
        place, last = 0, b"\n"
        for line in self._stream:
            # What was cut off is no JSON.
            with suppress(ValueError, TypeError, KeyError):
                self._places[str(json.loads(line)["id"])] = place
            place, last = place + len(line), line
        if not last.endswith(b"\n"):
            self._stream.write(b"\n")
            self._stream.flush()
