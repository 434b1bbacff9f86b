"""Collections of STAC items: each place's items by date, each with the next."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from metriccd.batch.manifest import Grammar, read_manifest
from metriccd.cli.options import READERS, arguments_of
from metriccd.errors import DataError
from metriccd.raster import open_item
from metriccd.trust import Trust

GRAMMAR = Grammar(readers=READERS, arguments=arguments_of, defaults={"assets": "red"})


def item(name: str, date: str, href: str = "./red.tif", **said: object) -> dict[str, object]:
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": name,
        "geometry": None,
        "bbox": [10.0, 45.0, 11.0, 46.0],
        "properties": {"datetime": f"{date}T10:00:00Z", **said},
        "links": [],
        "assets": {"red": {"href": href, "roles": ["data"]}},
    }


def read(folder: Path, *features: object, allow_remote: bool = True):
    path = folder / "items.json"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    items = folder / "out/items"
    return read_manifest(path, GRAMMAR, items=items, allow_remote=allow_remote)


def test_items_of_a_place_are_paired_with_the_next_date(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        item("c", "2021-01-01", **{"grid:code": "MGRS-32TQM"}),
        item("a", "2019-01-01", **{"grid:code": "MGRS-32TQM"}),
        item("b", "2020-01-01", **{"grid:code": "MGRS-32TQM"}),
        item("x", "2019-01-01", **{"landsat:wrs_path": "192", "landsat:wrs_row": "29"}),
        item("y", "2020-01-01", **{"landsat:wrs_path": "192", "landsat:wrs_row": "29"}),
        item("f", "2019-01-01"),
        item("g", "2022-01-01"),
        item("alone", "2019-01-01", **{"s2:mgrs_tile": "31UDQ"}),
    )
    pairs = [(row.carried["item_t1"], row.carried["item_t2"]) for row in found.rows]
    assert sorted(pairs) == [("a", "b"), ("b", "c"), ("f", "g"), ("x", "y")]
    assert all(row.arguments["assets"] == ["red"] for row in found.rows)


def test_pairs_of_a_place_with_any_name_have_ids_of_their_own(tmp_path: Path) -> None:
    places = ["б" * 80, ".. ..", "x" * 300, "a/b:c\ud800"]
    features = [
        item(f"{number}", f"20{year}-01-01", **{"grid:code": place})
        for number, place in enumerate(places)
        for year in (19, 20, 21)
    ]
    found = read(tmp_path, *features)
    assert len({row.id for row in found.rows}) == 8
    assert max(len(row.id.encode()) for row in found.rows) <= 120


def test_an_item_becomes_a_file_that_detect_takes(tmp_path: Path, data: Path) -> None:
    image = data / "landsat/LS20010525.tif"
    (tmp_path / "red.tif").symlink_to(image)
    found = read(tmp_path, item("a", "2019-01-01"), item("b", "2020-01-01", str(image)))
    assert not (tmp_path / "out").exists()
    found.write_items()
    (row,) = found.rows
    with Trust(allow_remote=True).applied():
        for name in (row.t1, row.t2):
            assert open_item(name, ["red"]).bands
    before = Path(row.t1).stat()
    found.write_items()
    assert Path(row.t1).stat().st_mtime_ns == before.st_mtime_ns


def test_a_collection_must_be_trusted(tmp_path: Path) -> None:
    pair = [item(name, f"20{n}-01-01") for n, name in ((19, "a"), (20, "b"))]
    with pytest.raises(DataError, match="--allow-remote"):
        read(tmp_path, *pair, allow_remote=False)
    pair[1]["links"] = [{"rel": "self", "href": "https://host/items/b.json"}]
    found = read(tmp_path, *pair)
    hrefs = {json.loads(text)["assets"]["red"]["href"] for text in found.items.values()}
    assert hrefs == {str(tmp_path / "red.tif"), "https://host/items/red.tif"}


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        '{"features": 3}',
        '{"features": [{"type": "Feature", "properties": {}}]}',
        "[" * 100_000,
        '{"features": [{"stac_version": "1.0.0", "id": "a", "assets": {}, "properties": {}}]}',
        '{"features": [{"stac_version": "1.0.0", "id": "a", "assets": {"x": 3}, "bbox": ["a"], '
        '"properties": {"datetime": "2020"}}]}',
    ],
)
def test_what_is_no_collection_is_one_line(tmp_path: Path, content: str) -> None:
    path = tmp_path / "items.json"
    path.write_text(content)
    with pytest.raises(DataError) as caught:
        read_manifest(path, GRAMMAR, items=tmp_path, allow_remote=True)
    assert len(str(caught.value)) < 600
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "said",
    [
        *({"properties": [1]}, {"properties": "x"}, {"links": 5}),
        {"bbox": [10**400, 0, 1, 1]},
    ],
)
def test_items_of_other_types_than_stac_gives_them_are_refused(tmp_path: Path, said: dict) -> None:
    features = [item(name, f"{year}-01-01") | said for name, year in (("a", 2019), ("b", 2020))]
    with pytest.raises(DataError, match="must"):
        read(tmp_path, *features)
