"""The summary: a row for each pair, in a file that GIS programs read, and in a page."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import geopandas as gpd
import pytest
from shapely import from_wkt

from metriccd.batch.index import write_index
from metriccd.batch.journal import Journal
from metriccd.batch.manifest import Row
from metriccd.batch.place import Place
from metriccd.batch.summary import INDEX, SUMMARY, summary_of, write_summary

EVIL = '</script><img src=x onerror=alert(1)>"\u2028é'
DONE = {
    "changed_share": 0.25,
    "area_m2": 9e4,
    "objects": 7,
    "threshold": 0.5,
    "rule": "otsu",
    "certainty": None,
    "warnings": ["one", "two"],
}


def outline(number: int) -> str:
    west, south = 10 + number % 100 * 0.1, 45 + number // 100 * 0.1
    return (
        f"POLYGON (({west} {south}, {west + 0.08} {south}, {west} {south + 0.08}, {west} {south}))"
    )


def rows_of(count: int) -> list[Row]:
    return [
        Row(number=n, id=f"pair {n}", t1=f"{n}a.tif", t2=f"{n}b.tif", carried={"status": n, "x": n})
        for n in range(count)
    ]


def entry(number: int) -> dict:
    return {
        "id": f"pair {number}",
        "status": "done",
        "summary": DONE | {"area_m2": 1e4 * number},
        "footprint": outline(number),
        "seconds": 1.5,
        "attempts": 1,
    }


def test_the_summary_has_a_row_for_each_pair_whatever_became_of_it(tmp_path: Path) -> None:
    rows = rows_of(3)
    with Place.opened(tmp_path / "out") as place, Journal(place.out) as journal:
        journal.add(entry(0))
        journal.add({"id": "pair 1", "status": "failed", "error": EVIL, "seconds": 2.0})
        write_summary(rows, journal, place)
    table = gpd.read_parquet(tmp_path / "out" / SUMMARY)
    assert table.crs.to_epsg() == 4326
    assert table["id"].tolist() == ["pair 0", "pair 1", "pair 2"]
    assert table["status"].tolist() == ["done", "failed", "left"]
    assert table["objects"].tolist()[0] == 7
    assert table["warnings"][0].tolist() == ["one", "two"]
    assert table["error"].isna().tolist() == [True, False, True]
    assert table["error"][1] == EVIL
    assert table["result"][0] == "pairs/pair 0"
    # What is called like a column of ours is told from it.
    assert table["manifest_status"].tolist() == [0, 1, 2]
    assert table["x"].tolist() == [0, 1, 2]
    assert table.geometry[0].equals(from_wkt(outline(0)))
    assert table.geometry.isna().tolist() == [False, True, True]


def test_pairs_without_a_place_on_earth_make_a_summary_too(tmp_path: Path) -> None:
    with Place.opened(tmp_path / "out") as place, Journal(place.out) as journal:
        journal.add(entry(0) | {"footprint": None, "summary": DONE | {"area_m2": None}})
        write_summary(rows_of(1), journal, place)
    table = gpd.read_parquet(tmp_path / "out" / SUMMARY)
    assert table["area_m2"].isna().all()
    assert page_data(tmp_path / "out" / INDEX)["area"] == [None]


def page_data(page: Path) -> dict:
    text = page.read_text(encoding="utf-8")
    return json.loads(re.search(r"^const data = (.*);$", text, re.MULTILINE)[1])


def test_nothing_that_a_manifest_says_runs_in_the_page(tmp_path: Path) -> None:
    with Place.opened(tmp_path / "out") as place, Journal(place.out) as journal:
        journal.add({"id": "pair 0", "status": "failed", "error": EVIL})
        write_summary(rows_of(1), journal, place)
    text = (tmp_path / "out" / INDEX).read_text(encoding="utf-8")
    assert text.count("</script>") == 1
    assert "<img" not in text
    assert page_data(tmp_path / "out" / INDEX)["error"] == [EVIL]
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)[1]
    assert "default-src 'none'" in policy
    # But for the name of SVG, which is no address that is asked.
    assert set(re.findall(r"https?:[^\"]*", text)) == {"http://www.w3.org/2000/svg"}
    # Text becomes text: nothing is parsed as HTML.
    assert "innerHTML" not in text


@pytest.mark.slow
def test_the_page_of_a_hundred_thousand_pairs_opens_in_a_browser(tmp_path: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("needs a browser: chromium or google-chrome")
    count = 100_000
    with Place.opened(tmp_path / "out") as place, Journal(place.out) as journal:
        for number in range(count):
            journal.add(entry(number))
        table = summary_of(rows_of(count), journal, place)
        write_index(table, place.out / INDEX)
    page = tmp_path / "out" / INDEX
    assert page.stat().st_size < 200 * count
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", page.as_uri()]
    told = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    assert "100,000 of 100,000 pairs" in told
    # Only rows in sight are there, and pictures are files that only these ask for.
    assert 2 < told.count('class="row"') < 60
    assert told.count("<img") == told.count('class="row"')
    assert 'src="thumbnails/pair%200.jpg"' in told
    # Footprints this small are dots.
    assert re.search(r'<path class="done dots" d="M', told)


def test_links_where_the_summary_is_made_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    with Place.opened(tmp_path / "out") as place, Journal(place.out) as journal:
        for name in (SUMMARY, INDEX):
            (place.out / f".{name}").symlink_to(tmp_path / "mine")
        write_summary(rows_of(1), journal, place)
        assert not any(path.is_symlink() for path in place.out.iterdir())
    assert (tmp_path / "mine").read_text() == "mine"
