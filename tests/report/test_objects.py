"""The list of objects: the right ones, where they are."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine

from metriccd.raster import Grid, crs_of
from metriccd.report.objects import LISTED, Objects
from report_scenes import UTM, table

BOXES = [(5, 4, 15, 10), (20, 18, 24, 26), (30, 20, 32, 22)]


@pytest.mark.parametrize(
    "transform", [UTM, Affine(10, 0, 0, 0, 10, 0), Affine(0, -10, 5e5, 10, 0, 4e6)]
)
def test_boxes_are_rows_and_columns_whichever_way_a_grid_lies(transform: Affine) -> None:
    grid = Grid(height=40, width=30, transform=transform, crs=crs_of("EPSG:32632"))
    found = Objects.of(table(BOXES, strength=[2, 1, 0.5], transform=transform), grid)
    assert [tuple(row["box"]) for row in found.rows] == BOXES
    assert found.rows[0] | {"box": None} == {
        "id": 1,
        "box": None,
        "area": 6000,
        "pixels": 60,
        "strength": 2,
        "score": 0.9,
        "kind": "vegetation-lost",
        "direction": None,
    }


def test_without_georeference_boxes_are_rows_and_columns_too() -> None:
    grid = Grid(height=40, width=30, transform=Affine.identity(), crs=None)
    known = table(BOXES, strength=[2, 1, np.inf], transform=Affine.scale(1, -1))
    found = Objects.of(known.assign(area_m2=np.nan), grid)
    assert [tuple(row["box"]) for row in found.rows] == BOXES
    assert [row["area"] for row in found.rows] == [None] * 3
    assert [row["strength"] for row in found.rows] == [2, 1, None]


def test_the_largest_and_the_least_certain_are_listed_once_each() -> None:
    sizes = np.arange(200, 0, -1)
    boxes = [(row, 0, row + 1, int(size)) for row, size in enumerate(sizes)]
    strength = np.roll(np.linspace(3, 0.01, 200), 30)
    found = Objects.of(
        table(boxes, strength=strength.tolist()),
        Grid(height=200, width=200, transform=UTM, crs=crs_of("EPSG:32632")),
    )
    assert found.count == 200
    listed = {row["id"] for row in found.rows}
    assert len(found.rows) == len(listed)
    weakest = {int(index) + 1 for index in np.argsort(strength)[:LISTED]}
    assert listed == set(range(1, LISTED + 1)) | weakest


def test_no_object_is_no_fault() -> None:
    found = Objects.of(
        table(BOXES, strength=[1, 1, 1])[:0],
        Grid(height=40, width=30, transform=UTM, crs=crs_of("EPSG:32632")),
    )
    assert (found.count, found.rows) == (0, ())
