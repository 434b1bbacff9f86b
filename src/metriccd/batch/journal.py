"""The journal of a batch: which pairs are finished and which failed, a line each.

A benchmark keeps its runs by settings, a file each, because runs of many settings stay beside one
another. A batch keeps the last word on each pair, of which there may be a hundred thousand.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, BinaryIO

from metriccd.errors import OutputError

JOURNAL = "journal.jsonl"
# Types of what an entry holds, of the figures in it, and how many things are told of each file.
ENTRY: Mapping[str, type | UnionType] = {
    **dict.fromkeys(("id", "status", "key", "error", "footprint"), str),
    **dict.fromkeys(("content", "result", "summary"), dict),
    "seconds": int | float,
    "attempts": int,
}
FIGURES: Mapping[str, type | UnionType] = {
    **dict.fromkeys(("changed_share", "area_m2", "threshold"), int | float),
    **dict.fromkeys(("rule", "certainty"), str),
    "objects": int,
    "warnings": list,
}
STAMPED, MANY = 5, 2**53


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
        if (out / JOURNAL).is_symlink():
            # A file elsewhere is not ours to write.
            raise OutputError(f"the journal must be a file: {out / JOURNAL} is a link; remove it")
        try:
            self._stream: BinaryIO = (out / JOURNAL).open("a+b")
            self._read()
        except OSError as error:
            reason = error.strerror or error
            raise OutputError(f"OUT must be writable: {out / JOURNAL}: {reason}") from None

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
            with suppress(ValueError, RecursionError):
                entry = json.loads(line)
                if _is_entry(entry):
                    self._places[entry["id"]] = place
            place, last = place + len(line), line
        if not last.endswith(b"\n"):
            self._stream.write(b"\n")
            self._stream.flush()


def _is_entry(entry: Any) -> bool:
    """Whether a line holds what a batch writes, by the types that those who read it count on."""
    if not isinstance(entry, dict) or not _fits(entry, ENTRY) or entry.get("id") is None:
        return False
    if "key" in entry and (entry.get("content") is None or entry.get("result") is None):
        return False
    content, figures = entry.get("content") or {}, entry.get("summary") or {}
    result = entry.get("result")
    return (
        (result is None or {*result} == {"stamps", "made"})
        and all(isinstance(each, list) and len(each) == STAMPED for each in content.values())
        and _fits(figures, FIGURES)
        and all(isinstance(each, str) for each in figures.get("warnings") or ())
        and (figures.get("objects") or 0) < MANY
    )


def _fits(found: Mapping[str, Any], kinds: Mapping[str, type | UnionType]) -> bool:
    """Whether what is there is of these types; nothing need be there."""
    return all(isinstance(found.get(name), kind | NoneType) for name, kind in kinds.items())
