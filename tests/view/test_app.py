"""The app: what a page asks and gets, and that no path leads anywhere else."""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import geopandas as gpd
import pytest
from PIL import Image

from metriccd.cli import main
from metriccd.errors import DataError
from metriccd.view.app import STATIC
from metriccd.view.desk import ROWS
from metriccd.view.scene import Scene
from viewed import SIZE, Client, copied, viewer


@pytest.fixture(scope="module", params=["utm", "no crs"])
def running(request, tmp_path_factory) -> Iterator[tuple[Client, Path]]:
    out = copied(tmp_path_factory.mktemp("made"), crs=request.param == "utm")
    with viewer(out) as (_, client):
        yield client, out


def until(true: Callable[[], Any], seconds: float = 60) -> Any:
    """What a condition gives once it gives something."""
    end = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < end
        time.sleep(0.1)
    return found


def test_one_result_is_shown_at_once(running) -> None:
    client, _ = running
    status, headers, _ = client.ask("/")
    assert (status, headers["location"]) == (307, "/r/0/")
    assert b"<!doctype html>" in client.ask("/r/0/")[2]


def test_the_facts_are_those_of_the_result(running) -> None:
    client, out = running
    facts, contents = client.json("/r/0/facts"), client.json("/r/0/contents")
    table = gpd.read_file(out / "change.gpkg", layer="change")
    assert (facts["rows"], facts["cols"]) == SIZE
    assert facts["threshold"] == 0.5
    assert facts["dates"] == {"t1": "2020-04-01", "t2": "2020-09-01"}
    assert facts["georeferenced"] == (table.crs is not None)
    assert contents["objects"] == len(table)
    assert sum(contents["counts"]) == len(table)
    if table.crs is not None:
        assert contents["size"] == pytest.approx(table["area_m2"].sum())


def test_the_images_are_found_and_the_score_is_counted(running) -> None:
    client, _ = running
    state = until(lambda: (found := client.json("/r/0/state"))["counted"] and found)
    assert state["shown"] == "originals"
    assert not state["looking"]


def test_the_list_follows_threshold_kinds_order_and_answers(running) -> None:
    client, out = running
    table = gpd.read_file(out / "change.gpkg", layer="change")
    until(lambda: client.json("/r/0/state")["counted"])
    every = client.json("/r/0/objects?above=500")
    assert every["count"] == len(table)
    import rasterio

    with rasterio.open(out / "score.tif") as dataset:
        score = dataset.read(1)
    for above in (0, 333, 500, 700, 999, 1000):
        found = client.json(f"/r/0/objects?above={above}&order=size")
        assert found["pixels"] == int((score > above / 1000).sum())
        reached = table[table["score_max"] > above / 1000]
        assert found["count"] == len(reached)
        sizes = [row["size"] for row in found["rows"]]
        assert sizes == sorted(sizes, reverse=True)
    names = {kind["name"]: kind["value"] for kind in client.json("/r/0/facts")["kinds"]}
    one = table["kind"].value_counts().index[0]
    found = client.json(f"/r/0/objects?above=500&kinds={names[one]}")
    assert found["count"] == (table["kind"] == one).sum()
    assert {row["kind"] for row in found["rows"]} == {names[one]}
    assert client.json("/r/0/objects?kinds=")["count"] == 0
    rest = client.json("/r/0/objects?above=500&from=3")["rows"]
    assert rest[: ROWS - 3] == every["rows"][3:]
    assert len(every["rows"]) == min(ROWS, len(table))


def test_a_review_goes_from_turn_to_turn_and_back(running) -> None:
    client, out = running
    stamp = client.json("/r/0/state")["stamp"]
    review = client.json("/r/0/review")
    asked = []
    for answer in ("accepted", "rejected", "accepted", "accepted"):
        turn = review["turn"]
        asked.append((turn["id"], turn["how"]))
        sent = {"object": turn["id"], "answer": answer, "stamp": stamp, "passed": []}
        review = client.json("/r/0/answer", sent)
    assert [how for _, how in asked] == ["first", "object", "first", "area"]
    assert review["answered"] == 4
    assert review["counts"] == {"accepted": 3, "rejected": 1, "relabeled": 0}
    assert review["change"]["area"]["drawn"] >= 1
    assert client.json("/r/0/objects?state=rejected")["rows"][0]["id"] == asked[1][0]
    table = gpd.read_file(out / "review.gpkg", layer="review")
    assert table["object"].tolist() == [number for number, _ in asked]
    assert table["how"].tolist() == [how for _, how in asked]
    undone = client.json("/r/0/undo", {"stamp": stamp})
    assert undone["undone"]["id"] == asked[-1][0] == undone["turn"]["id"]
    passed = client.json(f"/r/0/review?passed={asked[0][0]},{asked[0][0]}")
    assert passed["answered"] == 3


def test_answers_by_choice_are_told_from_those_that_were_asked(running) -> None:
    client, out = running
    stamp = client.json("/r/0/state")["stamp"]
    turn = client.json("/r/0/review")["turn"]["id"]
    open_ones = client.json("/r/0/objects?state=open")["rows"]
    other = next(row["id"] for row in open_ones if row["id"] != turn)
    # The page cannot claim that it was asked.
    sent = {"object": other, "answer": "relabeled", "kind": "built", "stamp": stamp, "how": "first"}
    client.json("/r/0/answer", sent)
    table = gpd.read_file(out / "review.gpkg", layer="review").set_index("object")
    assert table.loc[other, "how"] == "chosen"
    assert table.loc[other, "kind"] == "built"
    client.json("/r/0/undo", {"stamp": stamp})


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({"object": 10**9, "answer": "accepted"}, 400),
        ({"object": "x", "answer": "accepted"}, 400),
        ({"object": 1, "answer": "maybe"}, 400),
        ({"object": 1, "answer": "relabeled"}, 400),
        ({"object": 1, "answer": "relabeled", "kind": "castle"}, 400),
        ({"object": 1}, 400),
        ({"object": 1, "answer": "accepted", "passed": "all"}, 200),
        ({"object": 1, "answer": "accepted", "stamp": "old"}, 409),
        ({"object": 1, "answer": "a" * 5000}, 413),
        ([1, 2], 400),
    ],
)
def test_wrong_answers_are_refused_in_words(running, sent, status: int) -> None:
    client, _ = running
    stamp = client.json("/r/0/state")["stamp"]
    told = {"stamp": stamp} | sent if isinstance(sent, dict) else sent
    got, _, content = client.ask("/r/0/answer", told)
    assert got == status
    assert b"Traceback" not in content
    if status == 200:
        client.json("/r/0/undo", {"stamp": stamp})


def test_accepted_objects_are_a_file_to_keep(running, tmp_path: Path) -> None:
    client, _ = running
    stamp = client.json("/r/0/state")["stamp"]
    number = client.json("/r/0/objects?state=open")["rows"][0]["id"]
    client.json("/r/0/answer", {"object": number, "answer": "accepted", "stamp": stamp})
    for kind in ("gpkg", "geojson"):
        status, headers, content = client.ask(f"/r/0/accepted.{kind}")
        assert status == 200
        assert headers["content-disposition"] == f'attachment; filename="accepted.{kind}"'
        (tmp_path / f"a.{kind}").write_bytes(content)
        assert number in gpd.read_file(tmp_path / f"a.{kind}")["id"].tolist()
    assert client.ask("/r/0/accepted.shp")[0] == 400
    client.json("/r/0/undo", {"stamp": stamp})


def test_pixels_are_told_where_there_are_any(running) -> None:
    client, out = running
    import rasterio

    with rasterio.open(out / "score.tif") as dataset:
        score = float(dataset.read(1)[17, 300])
    assert client.json("/r/0/pixel/17/300")["score"] == pytest.approx(score, abs=1e-3)
    assert client.json("/r/0/pixel/9999/0") == {}


@pytest.mark.parametrize(
    "path",
    [
        *("/r/0/run.json", "/r/0/../run.json", "/static/../app.py", "/static/%2e%2e/app.py"),
        *("/static//etc/passwd", "/static/page.html%00", "/static/vendor/", "/static/nothing.js"),
        *("/r/1/", "/r/1/facts", "/r/-1/facts", "/r/99999999999999999999/facts", "/etc/passwd"),
        *("/r/0/tiles/t3/2/1/1", "/r/0/tiles/..%2fscore/2/1/1", "/r/0/tiles/t1/2/1/x"),
        *("/r/0/tiles/t1/2/1/1?stretch=../../x", "/r/0/objects?order=../x", "/r/0/objects?above=x"),
        *("/r/0/objects/0", "/r/0/objects/99999999", "/r/0/pixel/-1/0", "/results?from=x"),
        "/r/0/review?passed=x",
    ],
)
def test_no_other_address_is_answered(running, path: str) -> None:
    client, _ = running
    status, _, content = client.ask(path)
    assert status in {400, 404}
    assert len(content) < 300
    assert b"root:" not in content


def test_tiles_far_away_are_empty_and_quick(running) -> None:
    client, _ = running
    for z, x, y in ((0, 0, 0), (30, 5, 5), (2, 10**9, 0)):
        status, headers, content = client.ask(f"/r/0/tiles/t1/{z}/{x}/{y}")
        assert (status, headers["content-type"]) == (200, "image/png")
        assert Image.open(io.BytesIO(content)).size == (256, 256)
        assert client.ask(f"/r/0/outlines/{z}/{x}/{y}")[2] == b""


def test_files_of_the_package_are_sent_once(running) -> None:
    client, _ = running
    for name in STATIC:
        status, headers, content = client.ask(f"/static/{name}")
        assert status == 200
        assert content
        assert client.ask(f"/static/{name}", If_None_Match=headers["etag"])[0] == 304


def test_a_result_that_is_replaced_is_shown_anew_and_takes_no_answer_meant_for_the_old_one(
    tmp_path: Path,
) -> None:
    out = copied(tmp_path)
    with viewer(out) as (_, client):
        stamp, before = client.json("/r/0/state")["stamp"], client.json("/r/0/contents")
        assert main(["threshold", str(out), "0.65", "-q"]) == 0
        sent = {"object": 1, "answer": "accepted", "stamp": stamp}
        assert client.ask("/r/0/answer", sent)[0] == 409
        assert client.json("/r/0/state")["stamp"] != stamp
        assert client.json("/r/0/contents")["objects"] != before["objects"]
        assert client.json("/r/0/facts")["threshold"] == 0.65
        shutil.rmtree(out)
        status, _, content = client.ask("/r/0/state")
        assert status == 409
        assert b"run.json" in content


def test_a_map_without_objects_is_shown(tmp_path: Path) -> None:
    out = copied(tmp_path)
    assert main(["threshold", str(out), "1", "-q"]) == 0
    with viewer(out) as (_, client):
        assert client.json("/r/0/contents")["objects"] == 0
        assert client.json("/r/0/objects?above=1000")["rows"] == []
        review = client.json("/r/0/review")
        assert review["turn"] is None
        assert review["change"]["area"] is None
        assert client.ask("/r/0/outlines/1/0/0")[2] == b""
        assert client.ask("/r/0/accepted.gpkg")[0] == 200


def test_several_results_are_listed_by_name(tmp_path: Path) -> None:
    out = copied(tmp_path / "made", size=(96, 128))
    for name in ("paris", "rome", "parma"):
        shutil.copytree(out, tmp_path / "batch" / "pairs" / name)
    with viewer(tmp_path / "batch") as (_, client):
        assert b"list.mjs" in client.ask("/")[2]
        found = client.json("/results")
        assert found["count"] == 3
        assert [row["name"] for row in found["rows"]] == ["paris", "parma", "rome"]
        found = client.json("/results?name=PAR")
        assert [(row["number"], row["name"]) for row in found["rows"]] == [
            (0, "paris"),
            (1, "parma"),
        ]
        assert client.json("/r/2/facts")["name"] == "rome"
        assert client.json("/r/2/facts")["several"]


@pytest.mark.parametrize("name", ["score.tif", "change.tif", "kind.tif", "change.gpkg"])
def test_a_file_of_a_result_that_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    out = copied(tmp_path / "made", size=(96, 128))
    os.rename(out / name, tmp_path / name)  # noqa: PTH104
    (out / name).symlink_to(tmp_path / name)
    with pytest.raises(DataError, match="link to elsewhere"):
        Scene.opened(out)
    (out / name).unlink()
    if name != "kind.tif":
        with pytest.raises(DataError, match="must hold"):
            Scene.opened(out)


@pytest.mark.parametrize(
    "path",
    ["{}/", "0/objects/{}", "0/pixel/0/{}", "0/tiles/t1/{}/0/0", "0/outlines/2/{}/1"],
)
def test_numbers_of_thousands_of_digits_are_no_address(running, path: str) -> None:
    assert running[0].ask("/r/" + path.format("9" * 5000))[0] == 404


@pytest.mark.parametrize("value", [float("inf"), 1.9, True, None, []])
@pytest.mark.parametrize("where", ["object", "passed"])
def test_what_is_no_object_is_no_answer(running, value: object, where: str) -> None:
    client, _ = running
    stamp, before = client.json("/r/0/state")["stamp"], client.json("/r/0/review")
    number = {"object": value} if where == "object" else {"object": 1, "passed": [value]}
    sent = {"stamp": stamp, "answer": "accepted"} | number
    assert client.ask("/r/0/answer", sent)[0] == 400
    assert client.json("/r/0/review") == before


@pytest.mark.parametrize(
    ("name", "value"),
    [("dates", [1]), ("inputs", "x"), ("settings", 7), ("valid_pixels", float("nan"))],
)
def test_a_record_of_another_shape_is_said(tmp_path: Path, name: str, value: object) -> None:
    out = copied(tmp_path, size=(96, 128))
    record = json.loads((out / "run.json").read_text())
    (out / "run.json").write_text(json.dumps(record | {name: value}))
    with viewer(out) as (_, client):
        assert client.json("/results")["count"] == 1
        status, _, content = client.ask("/r/0/facts")
        assert status == (200 if name == "dates" else 409)
        assert status == 200 or b"run.json" in content


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere all names are Unicode")
def test_a_result_whose_name_is_not_unicode_is_listed(tmp_path: Path) -> None:
    other = tmp_path / os.fsdecode(b"b\xff")
    copied(tmp_path, size=(96, 128)).rename(other)
    with viewer(other) as (_, client):
        assert len(client.json("/results")["rows"]) == 1
