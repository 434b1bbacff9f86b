"""The marker: the list in a folder of what this program wrote there, by which it is known."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

MARKER = ".metriccd"
KIND = "result"
# Bytes of a list: one of ours has some thousands.
LONGEST = 2**24
# In place of the digest of a file: a folder with a list of its own.
FOLDER = "folder"
# Bytes at each end of a file that are looked at: all of most files. An edit of a large raster in
# place changes its directory, at the start, or its size.
END = 2**25
# Of an SQLite file: fields that change when a program only opens it (its journal mode, counters).
SQLITE, HEADER, COUNTERS = b"SQLite format 3\0", 100, ((18, 20), (24, 28), (92, 100))
# What programs that only look leave in GDAL's file beside a raster. Nothing is searched twice: such
# files are strangers', too.
STATISTICS = re.compile(
    rb"<Histograms>(?:(?!<Histograms>).)*?</Histograms>"
    rb'|<MDI key="STATISTICS_\w++">[^<]*+</MDI>',
    re.DOTALL,
)
EMPTY_TAG = re.compile(rb"<(\w++)[^<>]*+>\s*+</\1>|<\w++[^<>]*/>")
# Tags within each other in such a file, and some more.
DEPTH = 8
# What file managers leave in a folder that was looked at.
LOOKED = frozenset({".DS_Store", "Thumbs.db", "desktop.ini", ".directory"})
PROJECT, PACKAGE = "project.qgz", "change.gpkg"


@dataclass(frozen=True)
class Marker:
    """What a folder holds of ours.

    Attributes:
        files: Name → digests of all that was ever written under it there.
    """

    files: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, folder: Path, names: Iterable[str] | None = None) -> Marker:
        """The list of files that are there: all but the list itself, or those named.

        Folders in it count that have a list of their own.
        """
        if names is None:
            names = [path.name for path in folder.iterdir() if path.name != MARKER]
        files = {name: (digest(folder / name),) for name in names if _is_file(folder / name)}
        listed = [name for name in names if cls.read(folder / name) is not None]
        return cls(files | dict.fromkeys(listed, (FOLDER,)))

    @classmethod
    def read(cls, folder: Path) -> Marker | None:
        """The list in a folder; None where there is none that this program wrote."""
        path = folder / MARKER
        try:
            small = _is_file(path) and path.stat().st_size < LONGEST
            content = json.loads(path.read_bytes()) if small else None
        except (OSError, ValueError, RecursionError):
            return None
        if not isinstance(content, dict) or content.get("metriccd") != KIND:
            return None
        files = content.get("files")
        if not isinstance(files, dict):
            return None
        known = {
            name: tuple(map(str, digests))
            for name, digests in files.items()
            if isinstance(digests, list)
        }
        return cls(known)

    def write(self, folder: Path) -> None:
        """Puts the list into a folder, whole or not at all."""
        files = {name: list(digests) for name, digests in sorted(self.files.items())}
        partial = folder / f"{MARKER}-new"
        partial.write_text(json.dumps({"metriccd": KIND, "files": files}, indent=1), "utf-8")
        partial.replace(folder / MARKER)

    def __or__(self, other: Marker) -> Marker:
        """All that either knows."""
        names = {*self.files, *other.files}
        return Marker(
            {
                name: tuple(dict.fromkeys((*self.files.get(name, ()), *other.files.get(name, ()))))
                for name in names
            }
        )

    def only(self, names: Iterable[str]) -> Marker:
        """What it knows of some files."""
        return Marker({name: self.files[name] for name in names if name in self.files})

    def holds(self, path: Path) -> bool:
        """Whether a file is what was written, or what others make of it who only look.

        A folder is where it was listed, and holds nothing but what its own list does.
        """
        if not _is_file(path):
            return FOLDER in self.files.get(path.name, ()) and _is_ours(path)
        return self._holds_file(path)

    def _holds_file(self, path: Path) -> bool:
        name = path.name
        if name in {MARKER, f"{MARKER}-new"} | LOOKED:
            return True
        if name in self.files and digest(path) in self.files[name]:
            return True
        if name == f"{PROJECT}~":
            return digest(path) in self.files.get(PROJECT, ())
        if name in {f"{PACKAGE}-shm", f"{PACKAGE}-wal"}:
            return PACKAGE in self.files and (name.endswith("-shm") or not path.stat().st_size)
        beside = name.removesuffix(".aux.xml")
        return (
            name not in self.files and beside in self.files and not told_beside(path.read_bytes())
        )

    def clear(self, folder: Path) -> None:
        """Removes what it knows of a folder, and the folder, if nothing else is in it."""
        for path in sorted(folder.iterdir()):
            if path.name != MARKER and self.holds(path):
                remove(path)
        if {path.name for path in folder.iterdir()} <= {MARKER}:
            remove(folder)

    def foreign(self, folder: Path) -> list[str]:
        """What a folder holds that is not ours, or was changed since, a few words each."""
        names = sorted(path.name for path in folder.iterdir() if not self.holds(path))
        return [f"{name} (changed since)" if name in self.files else name for name in names]


def _is_ours(folder: Path) -> bool:
    """Whether a folder holds nothing but what its own list does."""
    own = Marker.read(folder) if folder.is_dir() and not folder.is_symlink() else None
    return own is not None and not own.foreign(folder)


def remove(path: Path) -> None:
    """Removes a file, or a folder in which all is ours."""
    if path.is_dir() and not path.is_symlink():
        for each in path.iterdir():
            remove(each)
        path.rmdir()
    else:
        path.unlink()


def digest(path: Path) -> str:
    """What tells the content of a file from another's, but for traces of programs that look."""
    found = hashlib.sha256()
    with path.open("rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        start = stream.read(END)
        found.update(told_beside(start) if path.name.endswith(".aux.xml") else _still(start))
        if size > END:
            stream.seek(max(END, size - END))
            found.update(stream.read(END))
    shown = "xml" if path.name.endswith(".aux.xml") else size
    return f"{shown} {found.hexdigest()}"


def _still(start: bytes) -> bytes:
    """The beginning of a file without an SQLite header's counters."""
    if not start.startswith(SQLITE):
        return start
    header = bytearray(start[:HEADER])
    for first, end in COUNTERS:
        header[first:end] = bytes(end - first)
    return bytes(header) + start[HEADER:]


def told_beside(xml: bytes) -> bytes:
    """What GDAL's file beside a raster says that is no statistics; b"" where nothing is left."""
    left = STATISTICS.sub(b"", xml)
    for _ in range(DEPTH):
        left = EMPTY_TAG.sub(b"", left)
    return b"".join(left.split())


def _is_file(path: Path) -> bool:
    """True for a file itself, not for a link to one."""
    return path.is_file() and not path.is_symlink()
