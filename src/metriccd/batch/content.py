"""The content of a pair: what its result was made of, and whether both are what is there now."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from metriccd.detection import digest_of
from metriccd.errors import MetricCDError
from metriccd.output import RECORD, Marker
from metriccd.result import Archive, code_digest, versions
from metriccd.trust import Stamp

# What may lie beside an image and be read with it: added to its name, or in place of its suffix.
ADDED, INSTEAD = (".aux.xml", ".ovr", ".msk"), (".prj", ".tfw", ".wld", ".hdr")
# What a result's record says that another decision on the same score leaves as it is.
MADE_OF = ("inputs", "masks", "dates", "score", "versions")


def key_of(t1: str, t2: str, arguments: Mapping[str, Any]) -> str:
    """What was asked for, and the software that did it."""
    asked = json.dumps([t1, t2, arguments], sort_keys=True, default=str)
    return hashlib.sha256(f"{asked} {software()}".encode()).hexdigest()


def software() -> str:
    """What tells this software from another that may find something else."""
    return f"{versions()} {code_digest()}"


def content_of(files: Iterable[str]) -> dict[str, list[Any]]:
    """Stamp and checksum of each file, and of what lies beside it: as JSON holds them."""
    found: dict[str, list[Any]] = {}
    for file in sorted(set(files)):
        for path in (file, *_beside(file)):
            stamp = Stamp.of(path)
            if stamp is not None:
                found[path] = [*stamp, _digest(path)]
    return found


def still_done(entry: Mapping[str, Any], key: str, folder: Path) -> dict[str, Any] | None:
    """What the journal is to hold of a pair that it knows; None where it is to be done.

    Args:
        entry: What it holds.
        key: What is asked for now.
        folder: Where the result is.
    """
    done = entry.get("status") == "done" and entry.get("key") == key
    result = whole(folder, entry["result"]) if done and unchanged(entry["content"]) else None
    if result is None:
        return None
    if result == entry["result"]:
        return dict(entry)
    try:
        # Decided again, it has other figures.
        return {**entry, "result": result, "summary": Archive.of(folder).summary()}
    except MetricCDError:
        return None


def unchanged(content: Mapping[str, list[Any]]) -> bool:
    """Whether files hold what they did, and nothing came beside them.

    Files that look as they did are not read: 100,000 pairs take seconds. Those that were touched,
    copied or replaced are.
    """
    for path, (*known, digest) in content.items():
        stamp = Stamp.of(path)
        if stamp is None or (list(stamp) != known and _digest(path) != digest):
            return False
        if any(each not in content and Stamp.of(each) is not None for each in _beside(path)):
            return False
    return True


def result_of(folder: str | Path) -> dict[str, str]:
    """What tells a result from others: how its files look, and what it was made of."""
    return {"stamps": _looks(folder), "made": _made(folder)}


def whole(folder: str | Path, known: Mapping[str, str]) -> dict[str, str] | None:
    """What is known of a result that is there, as `result_of` tells; None where it is not.

    One that looks as it did is not read. Others were looked at, copied, or decided again, which is
    all right, or lack files, or are of another pair.
    """
    if _looks(folder) == known["stamps"] != "":
        return dict(known)
    place, listed = Path(folder), Marker.read(Path(folder))
    if listed is None or not all(listed.holds(place / name) for name in listed.files):
        return None
    found = result_of(folder)
    return found if found["made"] == known["made"] != "" else None


def _looks(folder: str | Path) -> str:
    try:
        with os.scandir(folder) as entries:
            stats = sorted((each.name, each.stat()) for each in entries)
    except OSError:
        return ""
    # What a `Stamp` holds, of some thirty files of each of a hundred thousand results.
    lines = [f"{n} {s.st_size} {s.st_mtime_ns} {s.st_ctime_ns} {s.st_ino}" for n, s in stats]
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def _made(folder: str | Path) -> str:
    try:
        record = json.loads((Path(folder) / RECORD).read_bytes())
        told = json.dumps([record[name] for name in MADE_OF], sort_keys=True)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return ""
    return hashlib.sha256(told.encode()).hexdigest()


def _beside(file: str) -> Iterator[str]:
    if file.endswith((*ADDED, *INSTEAD)):
        return
    stem = os.path.splitext(file)[0]  # noqa: PTH122
    yield from (file + each for each in ADDED)
    yield from (stem + each for each in INSTEAD)


def _digest(path: str) -> str:
    """The SHA-256 of a file; of a folder, the names in it."""
    try:
        if Path(path).is_dir():
            names = sorted(each.name for each in Path(path).iterdir())
            return hashlib.sha256(repr(names).encode()).hexdigest()
        if not Path(path).is_file():
            # A pipe would be waited for.
            return "unreadable"
        return digest_of(Path(path))
    except OSError:
        # What cannot be read now is not what was read.
        return "unreadable"
