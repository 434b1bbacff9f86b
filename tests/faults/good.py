"""Good files: what a command reads before anything is damaged."""

from __future__ import annotations

from dataclasses import dataclass

from affine import Affine
from rasterio.crs import CRS

UTM, PLACE = CRS.from_epsg(32632), Affine(10, 0, 600_000, 0, -10, 4_800_000)
# The quickest commands that read all pixels: methods are another matter.
CHECK = ("check", "{t1}", "{t2}", "-q")
DETECT = ("detect", "{t1}", "{t2}", "-o", "out", "-q", "--method", "cva", "--threshold", "otsu")


@dataclass(frozen=True, kw_only=True)
class Good:
    """What a command reads, all of it good.

    Attributes:
        kind: The way in which it may be damaged.
        files: Name → content; names are relative to where the command runs.
        target: The file to damage.
        commands: Command lines, the quickest first.
    """

    kind: str
    files: dict[str, bytes]
    target: str
    commands: tuple[tuple[str, ...], ...]
