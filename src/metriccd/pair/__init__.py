"""A pair: two dates on one grid, band by band, in one valid mask and, where asked, in one color.

In: two images and masks as people hold them.
Out: `ImagePair`, read as blocks (t1, t2, valid) by any method; color corrections (eq. 1–2).
"""

from metriccd.pair.alignment import on_lattice
from metriccd.pair.bands import BandNames, colors_of, three
from metriccd.pair.blocks import ArrayPair, Block, Source
from metriccd.pair.color import (
    MANY_BANDS,
    BandRange,
    Samples,
    UnitRange,
    between_extremes,
    polynomial_correction,
)
from metriccd.pair.contents import MIN_VALID
from metriccd.pair.dates import Dates
from metriccd.pair.pair import ImagePair, read_pair, several

__all__ = [
    "MANY_BANDS",
    "MIN_VALID",
    "ArrayPair",
    "BandNames",
    "BandRange",
    "Block",
    "Dates",
    "ImagePair",
    "Samples",
    "Source",
    "UnitRange",
    "between_extremes",
    "colors_of",
    "on_lattice",
    "polynomial_correction",
    "read_pair",
    "several",
    "three",
]
