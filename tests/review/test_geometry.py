"""Geometry: outlines go into a GeoPackage and come back; what is none is none."""

from __future__ import annotations

import numpy as np
import pytest
import shapely

from metriccd.review.geometry import blob_of, shape_of, signatures

HOLED = shapely.box(0, 0, 9, 7).difference(shapely.box(2, 2, 4, 5))


def test_an_outline_comes_back_as_it_was() -> None:
    assert shapely.equals_exact(shape_of(blob_of(HOLED, 32630)), HOLED)


@pytest.mark.parametrize("blob", [None, "text", 12, b"", b"GP", b"GP\0\xff" + bytes(40)])
def test_what_is_no_outline_is_none(blob: object) -> None:
    assert shape_of(blob) is None


def test_outlines_are_told_apart_by_less_than_a_pixel_and_not_by_rounding() -> None:
    shapes = [HOLED, shapely.transform(HOLED, lambda xy: xy + 1e-6), shapely.box(0, 0, 9, 7), None]
    first, rounded, filled, nothing = signatures(np.array(shapes, object), 1.0)
    assert first == rounded
    assert len({first, filled, nothing}) == 3
