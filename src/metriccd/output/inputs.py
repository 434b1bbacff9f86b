"""Inputs: none of them may lie in OUT, by whatever name, and OUT in none of them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from metriccd.errors import OutputError
from metriccd.output.place import resolved, unfinished_path
from metriccd.raster import files_of

# `os.path` asks without ever raising, whatever a name is.
# What is read over a network is in no folder.
REMOTE = re.compile(r"^(?:https?|ftp|s3|gs|az|oss|swift)://|^/vsi(?:curl|s3|gs|az|adls|oss|swift)")
# Bytes of a log that are looked at, and what text never holds.
LOOK, NUL = 4096, b"\0"


def require_apart(out: Path, inputs: Iterable[str | Path]) -> None:
    """Refuses inputs that lie in OUT, or hold it.

    Args:
        out: As `resolved` gives it.
        inputs: Files, folders, and anything else that GDAL reads.

    Raises:
        OutputError: One lies in OUT by its name, behind a link, by a second name of the same file,
            or as a part of another one; or OUT lies in a folder that is read.
    """
    names = [os.fspath(name) for name in inputs]
    for name in names:
        if os.path.isdir(name) and _within(out, Path(os.path.realpath(name))):  # noqa: PTH112
            raise OutputError(f"OUT must not lie in the images: {out} is in {name}; choose another")
    if out.is_dir() and any(out.iterdir()):
        require_files_apart(out, (file for name in names for file in _behind(name)))


def require_files_apart(out: Path, files: Iterable[Path]) -> None:
    """The same of files that are known to be all that is read.

    Raises:
        OutputError: One lies in OUT.
    """
    inside = {_identity(file) for file in _files_in(out)}
    if not inside:
        return
    for file in files:
        lies = any(_within(place, out) for place in _places(file))
        if lies or (os.path.isfile(file) and _identity(file) in inside):  # noqa: PTH113
            raise OutputError(f"OUT must not hold the images: {file} lies in it; choose another")


def require_log(log: Path, out: Path | None, inputs: Iterable[str | Path] = ()) -> None:
    """Refuses a log file that would change OUT or an input, or is no text.

    Args:
        log: The file to which lines will be added.
        out: Folder of the result, or None.
        inputs: What is read.

    Raises:
        OutputError: It lies in OUT, is an input, or holds something that is no text.
    """
    folders = () if out is None else (resolved(out), unfinished_path(out))
    if any(_within(place, folder) for folder in folders for place in _places(log)):
        raise OutputError(f"--log-file must not lie in OUT: {log} does; choose another file")
    if not os.path.isfile(log):  # noqa: PTH113
        return
    same = _identity(log)
    if any(_identity(file) == same for name in inputs for file in _behind(os.fspath(name))):
        raise OutputError(f"--log-file must not be an input: {log} is; choose another file")
    try:
        with log.open("rb") as stream:
            start = stream.read(LOOK)
    except OSError:
        return
    if NUL in start:
        raise OutputError(f"--log-file must be text: {log} is not; choose another file")


def _behind(name: str) -> Iterator[Path]:
    """Files behind a name: itself, and what GDAL reads for it."""
    if REMOTE.match(name):
        return
    if len(name) < 4096:
        yield Path(name)
    yield from files_of(name)


def _places(file: Path) -> tuple[Path, Path]:
    """Where a file is, and where its name is: a link and what it leads to."""
    name = file.absolute()
    return Path(os.path.realpath(name)), Path(os.path.realpath(name.parent)) / name.name


def _within(path: Path, folder: Path) -> bool:
    """Whether a path is a folder or in it, also where one folder has several names."""
    if path.is_relative_to(folder):
        return True
    identity = _identity(folder)
    return identity is not None and any(
        _identity(each) == identity for each in (path, *path.parents)
    )


def _identity(path: Path) -> tuple[int, int] | None:
    """What tells a file from all others of the machine; None of what is not there."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino


def _files_in(folder: Path) -> Iterator[Path]:
    for root, _, names in os.walk(folder):
        yield from (Path(root, name) for name in names)
