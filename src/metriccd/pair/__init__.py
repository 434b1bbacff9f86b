"""A pair: two dates on one grid, band by band, in one valid mask and, where asked, in one color.

In: two images and masks as people hold them.
Out: `ImagePair`, read as blocks (t1, t2, valid) by any method; color corrections (eq. 1–2).
"""

from metriccd.pair.alignment import bounds_of, on_lattice
from metriccd.pair.bands import BandNames, colors_of, three, tokens
from metriccd.pair.blocks import MIN_VALID, ArrayPair, Block, Source
from metriccd.pair.color import (
    MANY_BANDS,
    BandRange,
    Samples,
    UnitRange,
    between_extremes,
    polynomial_correction,
)
from metriccd.pair.coregistration import SHARP, SURE, coregistered, read_windows, shift_of
from metriccd.pair.dates import GIVEN, Acquired, Dates, acquired, dates_given
from metriccd.pair.masks import Mask, file_of_mask, placed_mask, several
from metriccd.pair.pair import ImagePair, read_pair
from metriccd.pair.registration import Registration
from metriccd.pair.shift import Shift

__all__ = [
    "GIVEN",
    "MANY_BANDS",
    "MIN_VALID",
    "SHARP",
    "SURE",
    "Acquired",
    "ArrayPair",
    "BandNames",
    "BandRange",
    "Block",
    "Dates",
    "ImagePair",
    "Mask",
    "Registration",
    "Samples",
    "Shift",
    "Source",
    "UnitRange",
    "acquired",
    "between_extremes",
    "bounds_of",
    "colors_of",
    "coregistered",
    "dates_given",
    "file_of_mask",
    "on_lattice",
    "placed_mask",
    "polynomial_correction",
    "read_pair",
    "read_windows",
    "several",
    "shift_of",
    "three",
    "tokens",
]
