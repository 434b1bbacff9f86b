"""Progress: one bar with a sentence, or a line for each stage where nobody watches a bar."""

from __future__ import annotations

import errno
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars
from rich.table import Table
from rich.text import Text

from metriccd.cli.console import duration
from metriccd.cli.program import open_log, say
from metriccd.errors import OutputError
from metriccd.stages import EXPECT, RESUME

# Only plain libraries at the top: the command line must open at once.

# Stage → what goes on, for people; what is missing here is shown as it is called.
SENTENCES = {
    "read": "reading the images",
    "windows": "looking at parts of both dates",
    "check": "checking the images",
    "sample": "choosing parts that stand for the scene",
    "color": "matching the colors of both dates",
    "directions": "predicting each date from the other",
    "features": "comparing features",
    "fit": "fitting the networks to this pair",
    "scale": "finding the scale of objects",
    "difference": "fitting the method",
    "smooth": "smoothing",
    "measure": "measuring change",
    "threshold": "choosing the threshold",
    "clouds": "finding clouds",
    "rules": "finding rules for kinds of change",
    "clusters": "grouping changes",
    "evidence": "looking for evidence",
    "kinds": "telling kinds of change",
    "checksums": "noting what was read",
    "decide": "deciding again",
    "polygons": "outlining change objects",
    "drafts": "writing some of the rasters",
    "write": "writing rasters",
    "report": "writing the report",
    "series": "following each pixel through time",
    "scene": "making the scene",
    "inputs": "noting what the pairs are made of",
    "runs": "running methods",
}
Show = Callable[[str, int, int], None]
# Seconds between two lines on a batch, and pairs of it that a table lists.
EVERY, LISTED = 30.0, 16


def resuming(kept: int, total: int) -> str:
    """What is said where a command goes on with what an interrupted run left."""
    if not kept:
        return "resuming: the fit of the interrupted run is kept"
    return f"resuming: the fit and {kept:,} of {total:,} tiles of the interrupted run are kept"


def expecting(seconds: int, mib: int) -> str:
    """What is said before a long fit."""
    return f"this takes about {duration(seconds)} here and {mib / 1024:.1f} GiB of memory"


# What is reported as a stage and is none: said once, in words.
NEWS: dict[str, Callable[[int, int], str]] = {RESUME: resuming, EXPECT: expecting}


@contextmanager
def show_progress(
    quiet: bool, *, verbose: bool = False, log: Path | None = None
) -> Iterator[Show | None]:
    """Yields a function (stage, done, total) that tells how far a command is, or None.

    A terminal gets one bar; anything else, and a log file, a line for each stage.

    Args:
        quiet: Nothing on standard error.
        verbose: On standard error, also when each stage ends and how long it took.
        log: File to which lines are added, whatever else is shown.

    Raises:
        OutputError: The log file cannot be written.
    """
    shows: list[Show] = []
    with ExitStack() as stack:
        if log is not None:
            shows.append(_Lines(stack.enter_context(_log_file(log)), verbose=True, dated=True))
        if not quiet and (verbose or not sys.stderr.isatty()):
            shows.append(_Lines(say, verbose=verbose))
        elif not quiet:
            shows.append(stack.enter_context(_bar()))

        def show(stage: str, done: int, total: int) -> None:
            if stage in NEWS:
                if not quiet:
                    say(NEWS[stage](done, total))
                return
            for each in shows:
                each(stage, done, total)

        yield show if shows else None


class _Lines:
    """A line when a stage begins, and as parts of it are done where it is long.

    After the first steps of one that takes minutes, how many.

    Attributes:
        write: Takes a line.
        verbose: True = also when it ends, and twentieths for quarters.
        dated: True = with the time of day.
    """

    LONG = 5.0  # seconds
    # Steps that tell how long all will take, and the minute from which on it is worth a line.
    FIRST, FORETOLD = 3, 60.0

    def __init__(
        self, write: Callable[[str], Any], *, verbose: bool = False, dated: bool = False
    ) -> None:
        self._write, self._verbose, self._dated = write, verbose, dated
        self._parts = 20 if verbose else 4
        self._stage, self._start, self._told = "", 0.0, 0
        self._foretold = False

    def __call__(self, stage: str, done: int, total: int) -> None:
        now = time.monotonic()
        name = SENTENCES.get(stage, stage)
        if stage != self._stage:
            self._stage, self._start, self._told = stage, now, 0
            self._foretold = False
            self._line(name)
        if self.FIRST <= done < total and not self._foretold:
            self._foretold = True
            left = (now - self._start) / done * (total - done)
            if left > self.FORETOLD:
                self._line(f"{name}: {done} of {total}, about {duration(left)} left")
        part = self._parts * done // max(total, 1)
        if self._told < part < self._parts and now - self._start > self.LONG:
            self._told = part
            self._line(f"{name}: {done} of {total}")
        if self._verbose and done == total and self._told < self._parts:
            self._told = self._parts
            self._line(f"{name}: done in {now - self._start:.1f} s")

    def _line(self, text: str) -> None:
        self._write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}" if self._dated else text)


@contextmanager
def show_standing(quiet: bool) -> Iterator[Callable[[Any], None]]:
    """Yields a function that is called with how a batch stands, a few times a second.

    A terminal gets a live table; anything else a line every half a minute, or when much is done.

    Args:
        quiet: Nothing on standard error.
    """
    if quiet:
        yield lambda _: None
    elif not sys.stderr.isatty():
        yield _standing_lines()
    else:
        with Live(console=Console(stderr=True), transient=True, refresh_per_second=4) as live:
            yield lambda standing: live.update(_standing_table(standing))


def _standing_lines() -> Callable[[Any], None]:
    last, told = time.monotonic(), 0

    def show(standing: Any) -> None:
        nonlocal last, told
        now, ended = time.monotonic(), standing.total - standing.left
        if now - last > EVERY or ended >= told + max(standing.total // 10, 1):
            last, told = now, ended
            say(_standing_line(standing))

    return show


def _standing_line(standing: Any) -> str:
    rest, shared = standing.seconds_left, standing.parts
    parts = [
        f"{standing.total - standing.left:,} of {standing.total:,} pairs",
        *([f"{standing.kept:,} of an earlier run"] if standing.kept else []),
        *([f"{standing.failed:,} failed"] if standing.failed else []),
        *(["{:,} of {:,} parts of large scenes".format(*shared)] if any(shared) else []),
        f"{standing.per_minute:.1f} a minute",
        "" if rest is None or standing.draining else f"{duration(rest)} left",
        "" if standing.workers else "waiting for workers",
    ]
    ending = "; ending: no new ones are begun" if standing.draining else ""
    return ", ".join(part for part in parts if part) + ending


def _standing_table(standing: Any) -> Group:
    """The pairs that workers have, the longest first, under one line of counts."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for title in ("pair", "worker", "seconds", "attempt"):
        table.add_column(title, no_wrap=True, justify="left" if title == "pair" else "right")
    running = sorted(standing.running.values(), key=lambda each: each.since)
    for each in running[:LISTED]:
        seconds = f"{time.monotonic() - each.since:.0f}"
        # All workers speak the same protocol.
        where = each.worker.rpartition("://")[2]
        table.add_row(escape(each.id), where, seconds, str(each.attempt))
    if len(running) > LISTED:
        table.add_row(f"… and {len(running) - LISTED:,} more")
    # Lines stand beside the table, which is as narrow as what is in it.
    parts: list[Table | Text] = [Text(_standing_line(standing))]
    if running:
        parts.append(table)
    if standing.draining:
        parts.append(Text("Ctrl-C again ends at once; either way the same command goes on."))
    return Group(*parts)


@contextmanager
def _bar() -> Iterator[Show]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("starting", total=None)

        def show(stage: str, done: int, total: int) -> None:
            bars.update(task, description=SENTENCES.get(stage, stage), completed=done, total=total)

        yield show


@contextmanager
def _log_file(path: Path) -> Iterator[Callable[[str], Any]]:
    try:
        stream = open_log(path)
    except OSError as error:
        unread = error.errno == errno.ENXIO and path.is_fifo()
        reason = "nobody reads this pipe" if unread else error.strerror
        raise OutputError(
            f"--log-file must be writable: {path}: {reason}; choose another file"
        ) from None
    with stream:
        yield lambda line: stream.write(f"{line}\n")
