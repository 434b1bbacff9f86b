"""Faults in the user's data, each one line long: the rule, the value got, what to do.

Wrong arguments to a function raise `ValueError`; these classes are for files and pixels.
"""

from __future__ import annotations

from collections.abc import Iterable
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
