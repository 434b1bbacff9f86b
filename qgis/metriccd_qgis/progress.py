"""Progress: from the lines that the command says to a part of the whole.

Nothing here needs QGIS.
"""

from __future__ import annotations

import re
from typing import NamedTuple

# Stages in the words of the command → percent of a run at their begin and their end, as on scenes
# of 2,000 × 2,000 to 10,980 × 10,980 pixels. Which of them there are depends on what is asked for.
SHARES = {
    "looking at parts of both dates": (0, 1),
    "reading the images": (0, 1),
    "noting what was read": (1, 2),
    "checking the images": (2, 3),
    "choosing parts that stand for the scene": (3, 4),
    "matching the colors of both dates": (3, 5),
    "predicting each date from the other": (5, 20),
    "comparing features": (5, 20),
    "fitting the networks to this pair": (5, 70),
    "fitting the method": (5, 20),
    "smoothing": (5, 20),
    "finding the scale of objects": (20, 23),
    "measuring change": (23, 70),
    "choosing the threshold": (70, 72),
    "finding clouds": (70, 72),
    "looking for evidence": (72, 75),
    "finding rules for kinds of change": (72, 75),
    "grouping changes": (72, 75),
    "telling kinds of change": (75, 87),
    "deciding again": (0, 87),
    "following each pixel through time": (0, 87),
    "outlining change objects": (87, 91),
    "writing some of the rasters": (91, 97),
    "writing rasters": (91, 97),
    "writing the report": (97, 100),
}
# Percent of a series in which its pairs are compared, one as large as the other.
PAIRS = 95
PAIR = re.compile(r"pair (?P<number>\d+) of (?P<count>\d+): .+")
FOLLOWING = "following each pixel through time"
LINE = re.compile(r"(?P<stage>.+?)(?P<rest>: (?P<done>\d+) of (?P<total>\d+)|: done in [\d.]+ s)?")


class Step(NamedTuple):
    """What a line tells.

    Attributes:
        stage: What goes on.
        percent: Of the whole that is done.
        begins: Whether the stage begins.
    """

    stage: str
    percent: float
    begins: bool


def read(line: str) -> Step | None:
    """What a line tells of how far the command is; None where it tells something else."""
    found = LINE.fullmatch(line)
    if found is None or found["stage"] not in SHARES:
        return None
    begin, end = SHARES[found["stage"]]
    part = 1.0 if found["rest"] else 0.0
    if found["done"]:
        part = int(found["done"]) / max(int(found["total"]), 1)
    return Step(found["stage"], begin + (end - begin) * part, begins=not found["rest"])


class Run:
    """A run of the command, line by line."""

    def __init__(self) -> None:
        self._begin, self._share = 0.0, 1.0

    def read(self, line: str) -> Step | None:
        """As `read`, and within a series the same of all of it."""
        pair = PAIR.fullmatch(line)
        if pair is not None:
            self._share = PAIRS / 100 / int(pair["count"])
            self._begin = 100 * self._share * (int(pair["number"]) - 1)
            return Step(line, self._begin, begins=True)
        step = read(line)
        if step is None:
            return None
        if step.stage == FOLLOWING and self._share < 1:
            self._begin, self._share = PAIRS, 1 - PAIRS / 100
        return step._replace(percent=self._begin + self._share * step.percent)
