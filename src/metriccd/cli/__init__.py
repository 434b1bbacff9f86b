"""The command line: arguments in, calls of the Python API out; nothing is computed here.

In: what people type.
Out: text on the terminal, and an exit code.
"""

from metriccd.cli.program import main

__all__ = ["main"]
