"""The place of OUT: where it is behind links, whose it is, and the hidden name beside it."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from pathlib import Path

from metriccd.errors import OutputError

MOUNTS, OCTAL = Path("/proc/self/mountinfo"), re.compile(rb"\\([0-7]{3})")
# Names of OUT longer than that many bytes are shortened beside it.
LONGEST = 120


def resolved(out: Path) -> Path:
    """Where OUT is, behind links, whatever the working folder becomes.

    Raises:
        OutputError: It is a link to nothing, a file, or the place of a mount; or it may not be
            looked at.
    """
    try:
        place = Path(os.path.realpath(out))
    except (OSError, ValueError) as error:
        raise OutputError(unwritable(out, error)) from None
    try:
        out.lstat()
        there = place.exists()
        mounted = place.is_mount() or os.fsencode(place) in _mounts()
    except FileNotFoundError:
        return place
    except (OSError, ValueError) as error:
        raise OutputError(unwritable(out, error)) from None
    if not there:
        raise OutputError(f"OUT must not be a link to nothing: {out} is; choose another")
    if not place.is_dir():
        raise OutputError(f"OUT must be a folder: {out} is a file; choose another")
    if mounted:
        raise OutputError(
            f"OUT must be a folder that can be replaced: {out} is where a file system is "
            "mounted; choose a folder in it"
        )
    return place


def _mounts() -> set[bytes]:
    """Where file systems are mounted, also parts of one at another place, as far as is told."""
    try:
        lines = MOUNTS.read_bytes().splitlines()
    except OSError:
        return set()
    # A blank in a name is written as \040.
    return {OCTAL.sub(lambda code: bytes([int(code[1], 8)]), line.split()[4]) for line in lines}


def unfinished_path(out: Path) -> Path:
    """Where the unfinished result of OUT is."""
    return hidden_path(out, "unfinished")


def hidden_path(out: Path, what: str) -> Path:
    """Where what is kept of OUT lies, beside it.

    Raises:
        OutputError: Nothing is beside it.
    """
    place = Path(os.path.realpath(out))
    name = place.name
    if not name:
        raise OutputError(
            f"OUT must be a folder that can be replaced: {out} is the root; choose a folder in it"
        )
    if len(os.fsencode(name)) > LONGEST:
        name = hashlib.sha256(os.fsencode(name)).hexdigest()[:16]
    return place.with_name(f".{name}-{what}")


def require_own(path: Path, what: str) -> None:
    """Refuses a folder of another user.

    Raises:
        OutputError: It belongs to somebody else.
    """
    owner = path.lstat().st_uid
    if not hasattr(os, "geteuid") or owner == os.geteuid():
        return
    # Some file systems give all files one owner, whoever makes them.
    with tempfile.TemporaryFile(dir=path.parent) as probe:
        if os.fstat(probe.fileno()).st_uid != owner:
            raise OutputError(
                f"{what} must be yours: {path} belongs to another user; choose another folder"
            )


def unwritable(path: Path, error: OSError | ValueError) -> str:
    """What to say where OUT cannot be written."""
    reason = getattr(error, "strerror", None) or error
    return f"OUT must be writable: {path}: {reason}; choose another folder"
