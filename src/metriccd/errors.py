"""Faults in the user's data, each one line long: the rule, the value got, what to do.

Wrong arguments to a function raise `ValueError`; these classes are for files and pixels. What any
other exception means to the user is told here as well, in one place.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches


class MetricCDError(Exception):
    """A fault in the user's data or files; the command line turns it into exit code 3."""


class GridError(MetricCDError):
    """Two rasters cannot be brought onto one grid: no overlap, no CRS, different sizes."""


class DataError(MetricCDError):
    """A raster cannot be read, or its pixels cannot be used: no such band, nothing valid."""


class WeightsError(MetricCDError):
    """Network weights are missing, do not match their checksum or do not fit the network."""


class OutputError(MetricCDError):
    """The result cannot be written: the folder exists, or may not be written to."""


class BusyError(OutputError):
    """Another process is making the result; once it has ended, this one could."""


class ClusterError(MetricCDError):
    """Workers cannot be had: none answer, or they are not like the machine that asks."""


def choices(value: str, names: Iterable[str]) -> str:
    """The end of a message about a wrong name: what there is, and the one that was meant."""
    known = list(names)
    return ", ".join(known) + meant(value, known)


def meant(value: str, names: Iterable[str]) -> str:
    """The name that a wrong one is near to, as the end of a message; empty where none is."""
    near = get_close_matches(value.lower(), list(names), n=1)
    return f"; did you mean {near[0]}?" if near else ""


# What a command returns: a bug, wrong usage, the user's data or files, an interrupt.
EXIT_BUG, EXIT_USAGE, EXIT_DATA, EXIT_INTERRUPTED = 1, 2, 3, 130
# Characters of a message, and of a word in it: what a file or a shell holds may be any length.
LONGEST, LONGEST_WORD = 580, 160
MEMORY = (
    *("can't allocate memory", "cannot allocate memory", "not enough memory", "out of memory"),
    "bad_alloc",
)
NO_MEMORY = (
    "memory must suffice for the images: it gave out; compare fewer bands with --bands, a part "
    "of the images, choose --preset fast, or raise the limit (ulimit -v)"
)
# What Python says of what is around it → what to say.
RUNTIME = {
    "can't start new thread": "threads must start: the system allows no more; end other programs, "
    "raise the limit (ulimit -u), or set OMP_NUM_THREADS=1",
    "Symlink loop": "links must lead somewhere: got {}; correct the link",
}
ROOM = {errno.ENOSPC, errno.EFBIG, errno.EDQUOT}


@dataclass(frozen=True)
class Fault:
    """How an exception ends a command.

    Attributes:
        line: What is said: the rule, the value got, what to do.
        code: The exit code.
    """

    line: str
    code: int = EXIT_DATA


def fault_of(error: BaseException) -> Fault:
    """What any exception means to the user, in one line of at most 600 characters."""
    if isinstance(error, KeyboardInterrupt):
        how = one_line(str(error)) or "nothing was written"
        return Fault(f"interrupted: {how}", EXIT_INTERRUPTED)
    told = str(error) if isinstance(error, MetricCDError) else _surroundings(error)
    if told is None:
        return Fault(
            "error: "
            + one_line(
                f"this is a bug of metriccd, not of your data: {type(error).__name__}: {error}",
                LONGEST - 220,
            )
            + "; please report it to the project's issue tracker, with what `metriccd --version` "
            "says and what METRICCD_TRACEBACK=1 before the same command shows",
            EXIT_BUG,
        )
    return Fault(f"error: {one_line(told)}")


def _surroundings(error: BaseException) -> str | None:
    """What is wrong around the program: memory, threads, files, libraries; None: it is itself."""
    text = str(error)
    if isinstance(error, MemoryError) or any(words in text.lower() for words in MEMORY):
        return NO_MEMORY
    for words, rule in RUNTIME.items():
        if isinstance(error, RuntimeError) and words in text:
            return rule.format(text)
    if isinstance(error, UnicodeError):
        got = repr(error.object) if isinstance(error, UnicodeEncodeError) else text
        return f"names and text must be UTF-8: got {got}; rename or convert the file"
    if isinstance(error, OSError):
        return _system(error)
    if isinstance(error, ImportError) and not (error.name or "").startswith(__package__):
        return (
            f"what metriccd is built on must load: {text}; close other programs, raise the limits "
            "(ulimit -n, ulimit -v), or install metriccd again"
        )
    return None


def _system(error: OSError) -> str:
    """What the system refused, and what to do."""
    reason = error.strerror or str(error.__cause__ or error)
    where = "" if error.filename is None else f": {os.fsdecode(error.filename)}"
    if error.errno in ROOM:
        return f"there must be room to write: {reason}{where}; free space, or write elsewhere"
    if error.errno in {errno.EMFILE, errno.ENFILE}:
        return f"files must open: {reason}{where}; raise the limit (ulimit -n)"
    return (
        f"files and folders must be usable: {reason}{where}; check that the path is right and that "
        "you may read or write there"
    )


def one_line(text: str, longest: int = LONGEST) -> str:
    """A text without line breaks and control characters, its long words and middle left out."""
    words = (_cut(_printable(word), LONGEST_WORD) for word in text.split())
    return _cut(" ".join(words), longest)


def _printable(word: str) -> str:
    """A word as a terminal may show it: what is no character, or acts on the screen, as a code."""
    if word.isprintable():
        return word
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in word)


def _cut(text: str, longest: int) -> str:
    """A text without its middle, where it is too long."""
    if len(text) <= longest:
        return text
    end = longest // 3
    return f"{text[: longest - end - 1]}…{text[-end:]}"
