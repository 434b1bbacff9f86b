"""How a script of this folder ends: in one line, and with the program's exit codes."""

from __future__ import annotations

import sys
from collections.abc import Callable

from metriccd.errors import MetricCDError, fault_of

KEPT = "what is measured is kept; the same command goes on"


def ended(main: Callable[[], None]) -> None:
    """Runs a script that keeps what it has; what the user can mend ends in a line."""
    try:
        main()
    except (MetricCDError, OSError, KeyboardInterrupt) as error:
        fault = fault_of(KeyboardInterrupt(KEPT) if isinstance(error, KeyboardInterrupt) else error)
        print(fault.line, file=sys.stderr)
        sys.exit(fault.code)
