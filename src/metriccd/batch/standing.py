"""How a batch stands: what people see while it runs, and what is left when it ends."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

# Failures that are remembered for the last lines; all are in the journal.
REMEMBERED = 100


@dataclass
class Running:
    """A pair that a worker has.

    Attributes:
        id: Its name.
        attempt: From 1.
        worker: Where.
        since: When it began, by the clock of this process that never jumps.
        limit: Seconds it may take.
    """

    id: str
    attempt: int
    worker: str
    since: float
    limit: float


@dataclass
class Standing:
    """Counts of pairs.

    Attributes:
        total: All that the manifest has.
        kept: Finished by an earlier run.
        done: Finished by this one.
        failed: That failed for good.
        running: That workers have now, by name.
        failures: Name and line of the first that failed.
        parts: Of large scenes that workers share now: done, and all.
        draining: Whether no new ones are begun.
        workers: Processes there are.
        started: When this run began.
    """

    total: int
    kept: int = 0
    done: int = 0
    failed: int = 0
    running: dict[str, Running] = field(default_factory=dict)
    failures: list[tuple[str, str]] = field(default_factory=list)
    parts: tuple[int, int] = (0, 0)
    draining: bool = False
    workers: int = 0
    started: float = field(default_factory=time.monotonic)

    @property
    def left(self) -> int:
        """Pairs without a last word."""
        return self.total - self.kept - self.done - self.failed

    @property
    def seconds(self) -> float:
        """Since this run began."""
        return time.monotonic() - self.started

    @property
    def per_minute(self) -> float:
        """Pairs that are finished in a minute."""
        return 60 * (self.done + self.failed) / max(self.seconds, 1e-9)

    @property
    def seconds_left(self) -> float | None:
        """How long the rest takes at this rate; None before there is one."""
        return 60 * self.left / self.per_minute if self.done + self.failed else None

    def fail(self, name: str, line: str) -> None:
        """Counts a pair that failed for good."""
        self.failed += 1
        if len(self.failures) < REMEMBERED:
            self.failures.append((name, line))


Show = Callable[[Standing], None]
