"""Stages of a run: what is going on, how far it is, and what it cost."""

from __future__ import annotations

import ctypes
import gc
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

# Called with (stage, done, total) as work goes on; the command line draws a bar from it.
Progress = Callable[[str, int, int], None]
Advance = Callable[[int], None]
# What is reported as a stage where a run goes on with what another one left, and before a long fit.
RESUME, EXPECT = "resume", "expect"


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One finished stage.

    Attributes:
        name: What was done.
        seconds: Wall-clock time.
        peak_mib: Peak resident memory of the process up to the end of the stage, in MiB: since
            its start, or since `reset_peak`.
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

    def resume(self, kept: int, total: int) -> None:
        """Says that the fit of an interrupted run is kept, and how many of its tiles."""
        self._report(RESUME, kept, total)

    def expect(self, seconds: float, mib: float) -> None:
        """Says how long what begins now will take, and how much memory."""
        self._report(EXPECT, round(seconds), round(mib))

    def _report(self, name: str, done: int, total: int) -> None:
        if self.progress is not None:
            self.progress(name, done, total)


def reset_peak() -> bool:
    """Lets the peak of this process start again from what it holds now; False where it cannot.

    Only Linux can: elsewhere `peak_mib` never falls.
    """
    gc.collect()
    # What the C library keeps for later would count as held.
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return False
    return True


def peak_mib() -> float:
    """Peak resident memory of this process so far, or since `reset_peak`, in MiB."""
    try:
        status = Path("/proc/self/status").read_text(encoding="utf-8")
    except OSError:
        status = ""
    for line in status.splitlines():
        if line.startswith("VmHWM:"):
            return float(line.split()[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024**2 if sys.platform == "darwin" else 1024)
