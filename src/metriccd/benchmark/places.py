"""Pairs of data sets and their references, as they are read: to measure on, and to train on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from metriccd.accuracy import Known, judged_pixels, read_reference
from metriccd.benchmark.comparison import on_t1
from metriccd.benchmark.datasets import Pair
from metriccd.errors import DataError, GridError
from metriccd.pair import ImagePair, read_pair
from metriccd.supervised import Place


def opened(pair: Pair) -> ImagePair:
    """The images of a pair, with the bands that its data set says.

    Raises:
        DataError: They cannot be read or compared.
        GridError: They share no grid.
    """
    return read_pair(pair.t1, pair.t2, bands=pair.bands)


def reference_of(pair: Pair, images: ImagePair) -> Known:
    """What the reference of a pair says of its images.

    Raises:
        DataError: It cannot be read.
        GridError: It does not lie on t1's grid.
    """
    return read_reference(
        on_t1(pair.reference, images),
        images.grid,
        inverted=pair.inverted,
        unchanged_label=pair.unchanged_label,
    )


def read_places(pairs: Sequence[Pair]) -> Iterator[Place]:
    """Reads pairs and their references.

    Args:
        pairs: From `find_pairs`.

    Raises:
        DataError: A pair or its reference cannot be read or compared.
        GridError: The images of a pair share no grid, or the reference does not lie on t1's.
    """
    for pair in pairs:
        try:
            images = opened(pair)
            block = images.load()
            changed, known = reference_of(pair, images)
        except (DataError, GridError) as error:
            raise type(error)(f"{pair.name}: {error}") from None
        yield Place(
            name=pair.name,
            bands=tuple(band.name for band in images.t1.bands),
            rgb=images.rgb,
            t1=block.t1,
            t2=block.t2,
            valid=block.valid,
            changed=changed,
            judged=judged_pixels(block.valid, known),
        )
