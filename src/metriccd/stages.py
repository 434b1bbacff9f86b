"""Stages of a run: what is going on, how far it is, and what it cost."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

# Called with (stage, done, total) as work goes on; the command line draws a bar from it.
Progress = Callable[[str, int, int], None]
Advance = Callable[[int], None]


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One finished stage.

    Attributes:
        name: What was done.
        seconds: Wall-clock time.
        peak_mib: Peak resident memory of the process up to the end of the stage, in MiB.
    """

    name: str
    seconds: float
    peak_mib: float


@dataclass
class Stages:
    """Records the stages of one run and passes their progress on.

    Attributes:
        progress: Where to report to, or None for silence.
        done: The finished stages, in order.
    """

    progress: Progress | None = None
    done: list[Stage] = field(default_factory=list)

    @contextmanager
    def stage(self, name: str, total: int = 1) -> Iterator[Advance]:
        """Times a block of work of `total` steps; yields a function that adds finished steps."""
        start, steps = time.perf_counter(), 0

        def advance(count: int = 1) -> None:
            nonlocal steps
            steps += count
            self._report(name, steps, total)

        self._report(name, 0, total)
        yield advance
        self._report(name, total, total)
        seconds = time.perf_counter() - start
        self.done.append(Stage(name=name, seconds=seconds, peak_mib=peak_mib()))

    def _report(self, name: str, done: int, total: int) -> None:
        if self.progress is not None:
            self.progress(name, done, total)


def peak_mib() -> float:
    """Peak resident memory of this process so far, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024**2 if sys.platform == "darwin" else 1024)
