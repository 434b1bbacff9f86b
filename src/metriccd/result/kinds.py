"""Kinds of change as people see them: a layer of classes, a column of polygons, a legend."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
from jaxtyping import Int32, Int64, UInt8

from metriccd.decision import Objects
from metriccd.kinds import KINDS, NODATA, NONE
from metriccd.raster import CogLayer, Window

ReadKinds = Callable[[Window], UInt8[np.ndarray, "row col"]]
# Longer than any value of a kind.
VALUES = max(kind.value for kind in KINDS.values()) + 1
NAMES = {NONE: "no change"} | {kind.value: name for name, kind in KINDS.items()}
COLORS = {
    NONE: (255, 255, 255, 0),
    NODATA: (0, 0, 0, 0),
    **{kind.value: (*kind.color, 255) for kind in KINDS.values()},
}
KIND_LAYER = CogLayer(
    dtype="uint8",
    nodata=NODATA,
    bands=("kind",),
    overviews="mode",
    colors=COLORS,
    tags={f"kind_{value}": name for value, name in NAMES.items()},
)


@dataclass(frozen=True, kw_only=True)
class KindVotes:
    """How many pixels of each kind the regions of each block have.

    Attributes:
        read: Kind of every pixel of a window.
    """

    read: ReadKinds
    _blocks: list[Int64[np.ndarray, "_region kind"]] = field(default_factory=list, init=False)

    def add(self, window: Window, labels: Int32[np.ndarray, "row col"]) -> None:
        """Counts a block; 0 is no region."""
        inside = labels > 0
        kinds = np.minimum(self.read(window)[inside], VALUES - 1).astype(np.int64)
        regions = int(labels.max(initial=0))
        counts = np.bincount(
            (labels[inside].astype(np.int64) - 1) * VALUES + kinds, minlength=regions * VALUES
        )
        self._blocks.append(counts.reshape(regions, VALUES))

    def winners(self, objects: Objects) -> list[str]:
        """The most frequent kind of each object; of equal ones, the first of `KINDS`."""
        counts = np.zeros((len(objects.pixels), VALUES), np.int64)
        for block, members in zip(self._blocks, objects.members, strict=True):
            np.add.at(counts, members, block)
        return [NAMES[int(value)] for value in counts.argmax(axis=1)]


def write_category_names(raster: Path, classes: Mapping[int, str] = NAMES) -> None:
    """Names of classes in the side file where GDAL looks for them."""
    names = "".join(
        f"<Category>{escape(classes.get(value, ''))}</Category>"
        for value in range(max(classes) + 1)
    )
    raster.with_name(f"{raster.name}.aux.xml").write_text(
        f'<PAMDataset><PAMRasterBand band="1"><CategoryNames>{names}</CategoryNames>'
        "</PAMRasterBand></PAMDataset>\n",
        encoding="utf-8",
    )


def legend(counts: Int64[np.ndarray, " kind"]) -> Mapping[str, int]:
    """Changed pixels of each kind that occurs, the most frequent first."""
    order = np.argsort(-counts[:VALUES], kind="stable")
    return {
        NAMES[int(value)]: int(counts[value]) for value in order if counts[value] and value != NONE
    }
