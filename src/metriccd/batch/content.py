"""The content of a pair: what its result was made of, and whether that is what is there now."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from metriccd.detection import Stamp
from metriccd.result import code_digest, sha256_of, versions

# What may lie beside an image and be read with it: added to its name, or in place of its suffix.
ADDED, INSTEAD = (".aux.xml", ".ovr", ".msk"), (".prj", ".tfw", ".wld", ".hdr")
# Checksums of files that many pairs share, such as weights and masks.
SHARED = 256


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
                found[path] = [*stamp, _digest(path, stamp)]
    return found


def unchanged(content: Mapping[str, list[Any]]) -> bool:
    """Whether files hold what they did, and nothing came beside them.

    Files that look as they did are not read: 100,000 pairs take seconds. Those that were touched,
    copied or replaced are.
    """
    for path, (*known, digest) in content.items():
        stamp = Stamp.of(path)
        if stamp is None or (list(stamp) != known and _digest(path, stamp) != digest):
            return False
        if any(each not in content and Stamp.of(each) is not None for each in _beside(path)):
            return False
    return True


def _beside(file: str) -> Iterator[str]:
    if file.endswith((*ADDED, *INSTEAD)):
        return
    stem = os.path.splitext(file)[0]  # noqa: PTH122
    yield from (file + each for each in ADDED)
    yield from (stem + each for each in INSTEAD)


@lru_cache(maxsize=SHARED)
def _digest(path: str, _stamp: Stamp) -> str:
    """The SHA-256 of a file as it is with this stamp; of a folder, the names in it."""
    try:
        if Path(path).is_dir():
            names = sorted(each.name for each in Path(path).iterdir())
            return hashlib.sha256(repr(names).encode()).hexdigest()
        if not Path(path).is_file():
            # A pipe would be waited for.
            return "unreadable"
        return sha256_of(Path(path))
    except OSError:
        # What cannot be read now is not what was read.
        return "unreadable"
