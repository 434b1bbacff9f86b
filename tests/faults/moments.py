"""Moments at which a worker is caught, and stands until it is told otherwise."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

from batch.runs import until

# When a worker is caught, by what is there of its pair.
MOMENTS: dict[str, Callable[[Path], bool]] = {
    "reads": lambda unfinished: (unfinished / "result").is_dir(),
    "writes": lambda unfinished: any(unfinished.glob("result/*.tif")),
    "lists": lambda unfinished: (unfinished / "result/run.json").is_file(),
}


def caught(out: Path, name: str, moment: str = "reads") -> int:
    """Stops the worker of a pair at a moment; returns its process."""
    unfinished, stopped = out / "pairs" / f".{name}-unfinished", []

    def met() -> bool:
        if not MOMENTS[moment](unfinished):
            return False
        process = json.loads((unfinished / ".metriccd").read_text())["process"]
        os.kill(process, signal.SIGSTOP)
        stopped.append(process)
        return True

    until(met, pause=0.0005)
    # It stands, and what it makes has no name yet.
    assert not (out / "pairs" / name).exists()
    return stopped[0]
