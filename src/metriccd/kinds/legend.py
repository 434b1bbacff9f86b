"""The kinds of change, their values in kind.tif and their colors."""

from __future__ import annotations

from dataclasses import dataclass

NONE, NODATA = 0, 255


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of change.

    Attributes:
        value: In `kind.tif`.
        color: Red, green, blue.
        meaning: In words.
    """

    value: int
    color: tuple[int, int, int]
    meaning: str


# Hues of Okabe & Ito, Color Universal Design (2008), and grays.
KINDS = {
    "vegetation-lost": Kind(value=1, color=(213, 94, 0), meaning="green at t1, not at t2"),
    "vegetation-gained": Kind(value=2, color=(0, 158, 115), meaning="green at t2, not at t1"),
    "seasonal": Kind(value=3, color=(240, 228, 66), meaning="green at both dates"),
    "water-gained": Kind(value=4, color=(0, 114, 178), meaning="water at t2, not at t1"),
    "water-lost": Kind(value=5, color=(86, 180, 233), meaning="water at t1, not at t2"),
    "built": Kind(value=6, color=(204, 121, 167), meaning="bare, and brighter at t2"),
    "darkened": Kind(value=7, color=(60, 60, 60), meaning="darker: burn, shadow"),
    "cloud": Kind(value=8, color=(205, 205, 205), meaning="far brighter and white at one date"),
    "other": Kind(value=9, color=(150, 100, 60), meaning="none of these"),
}
OTHER = KINDS["other"].value
