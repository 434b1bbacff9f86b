"""The page of a batch in windows of any width."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from metriccd.batch import INDEX
from metriccd.batch.journal import Journal
from metriccd.batch.manifest import Row
from metriccd.batch.place import Place
from metriccd.batch.summary import write_summary


@pytest.mark.parametrize("width", [1480, 1200, 1024, 900, 761, 390])
def test_the_table_of_pairs_fits_into_a_window_of_any_width(page, width, tmp_path: Path) -> None:
    found = {"changed_share": 0.25, "area_m2": 9e8, "objects": 54321, "threshold": 0.5}
    shown = {**found, "rule": "otsu", "certainty": None, "warnings": []}
    rows = [Row(number=n, id=f"pair-{n}", t1="a.tif", t2="b.tif") for n in range(2)]
    with Place.opened(tmp_path / "out") as place, Journal(place.out) as journal:
        journal.add({"id": "pair-0", "status": "done", "summary": shown, "seconds": 1234.5})
        journal.add({"id": "pair-1", "status": "failed", "error": "the image must exist"})
        place.thumbnail("pair-0").parent.mkdir(exist_ok=True)
        Image.fromarray(np.zeros((112, 342), np.uint8)).save(place.thumbnail("pair-0"))
        write_summary(rows, journal, place)
    page.set_viewport_size({"width": width, "height": 800})
    page.goto((tmp_path / "out" / INDEX).as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") == width
    for cell in page.locator(".head > *:visible, .row > *:visible").all():
        box = cell.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width


def test_hectares_say_of_how_many_pairs_they_are(page, tmp_path: Path) -> None:
    found = {"changed_share": 0.25, "objects": 5, "threshold": 0.5}
    shown = {**found, "rule": "otsu", "certainty": None, "warnings": []}
    rows = [Row(number=n, id=f"pair-{n}", t1="a.tif", t2="b.tif") for n in range(2)]
    told = []
    for area in (None, 2e4):
        folder = tmp_path / str(area)
        with Place.opened(folder) as place, Journal(place.out) as journal:
            place.thumbnail("pair-0").parent.mkdir(exist_ok=True)
            for row, size in zip(rows, (3e4, area), strict=True):
                summary = {**shown, "area_m2": size}
                journal.add({"id": row.id, "status": "done", "summary": summary, "seconds": 1.0})
                Image.fromarray(np.zeros((112, 342), np.uint8)).save(place.thumbnail(row.id))
            write_summary(rows, journal, place)
        page.goto((folder / INDEX).as_uri())
        told.append(page.locator("#figures").inner_text().split("\n")[-2:])
    assert [[each.strip() for each in pair] for pair in told] == [
        ["changed in 1 of 2 pairs, ha", "3.0"],
        ["changed in all, ha", "5.0"],
    ]
