"""Answers: on disk before the next is asked, whatever kills the program; nobody else's file."""

from __future__ import annotations

import json
import math
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely

from metriccd.cli import main
from metriccd.errors import DataError, OutputError
from metriccd.output import earlier_path
from metriccd.raster import open_raster
from metriccd.review import REVIEW, Answers, Objects, read_objects
from viewed import copied

CHILD = """
import sys
from pathlib import Path
from metriccd.review import Answers, read_objects
from metriccd.raster import open_raster
folder = Path(sys.argv[1])
grid = open_raster(folder / "score.tif").grid
answers = Answers(folder, read_objects(folder, grid), pixel=10.0)
for place in range(10**6):
    answers.give(place % 20, "accepted" if place < 20 else "rejected", kind=None, how="first")
    print(place, flush=True)
"""


@pytest.fixture(params=["utm", "no crs"])
def out(request, tmp_path: Path) -> Path:
    return copied(tmp_path, crs=request.param == "utm")


@pytest.fixture
def placed(tmp_path: Path) -> Path:
    return copied(tmp_path)


def opened(out: Path) -> tuple[Objects, Answers]:
    grid = open_raster(out / "score.tif").grid
    objects = read_objects(out, grid)
    pixel = math.sqrt(abs(grid.transform.determinant))
    return objects, Answers(out, objects, pixel=pixel)


def test_an_answer_is_in_a_geopackage_that_others_read(out: Path) -> None:
    objects, answers = opened(out)
    answers.give(3, "accepted", kind=None, how="first")
    answers.give(7, "relabeled", kind="built", how="area")
    table = gpd.read_file(out / REVIEW, layer="review")
    polygons = gpd.read_file(out / "change.gpkg", layer="change")
    assert table["object"].tolist() == [4, 8]
    assert table["answer"].tolist() == ["accepted", "relabeled"]
    assert table["kind"].tolist() == [objects.kind(3), "built"]
    assert table["how"].tolist() == ["first", "area"]
    assert table["time"].dt.tz is not None or str(table["time"].iloc[0]).endswith(("Z", "+00:00"))
    assert table.crs == polygons.crs
    assert table.geometry.geom_equals(polygons.geometry.iloc[[3, 7]].reset_index(drop=True)).all()


def test_what_was_answered_is_there_when_it_is_opened_again(out: Path) -> None:
    _, answers = opened(out)
    answers.give(0, "rejected", kind=None, how="object")
    answers.give(1, "accepted", kind=None, how="chosen")
    _, again = opened(out)
    assert again.given == answers.given
    assert [each.how for each in again.given.values()] == ["object", "chosen"]


def test_a_second_answer_takes_the_place_of_the_first_and_undo_gives_it_back(out: Path) -> None:
    _, answers = opened(out)
    answers.give(2, "accepted", kind=None, how="first")
    answers.give(5, "accepted", kind=None, how="first")
    answers.give(2, "rejected", kind=None, how="first")
    assert answers.given[2].answer == "rejected"
    _, again = opened(out)
    assert again.undo() == 2
    assert again.given[2].answer == "accepted"
    assert again.undo() == 5
    assert set(again.given) == {2}
    assert again.undo() == 2
    assert not again.given
    assert again.undo() is None


def test_wrong_answers_are_refused(placed: Path) -> None:
    _, answers = opened(placed)
    for answer, kind in (("maybe", None), ("relabeled", None), ("accepted", "built")):
        with pytest.raises(ValueError, match="got"):
            answers.give(0, answer, kind=kind, how="first")
    with pytest.raises(ValueError, match="got"):
        answers.give(0, "relabeled", kind="castle", how="first")
    assert not (placed / REVIEW).exists()


def test_every_answer_that_was_told_survives_a_kill(placed: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(placed)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    told = [int(child.stdout.readline()) for _ in range(27)]
    os.kill(child.pid, signal.SIGKILL)
    told += [int(line) for line in child.stdout.read().split("\n")[:-1]]
    child.wait()
    _, answers = opened(placed)
    last = {place % 20: "accepted" if place < 20 else "rejected" for place in told}
    # One more may have reached the disk that was not told any more.
    differ = [place for place, name in last.items() if answers.given[place].answer != name]
    assert set(differ) <= {(told[-1] + 1) % 20}
    with sqlite3.connect(placed / REVIEW) as base:
        assert base.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_kill_before_the_first_answer_leaves_a_file_that_is_begun_anew(placed: Path) -> None:
    (placed / REVIEW).touch()
    _, answers = opened(placed)
    answers.give(0, "accepted", kind=None, how="first")
    assert set(opened(placed)[1].given) == {0}


def test_what_another_program_changes_counts_at_once(placed: Path) -> None:
    _, answers = opened(placed)
    answers.give(0, "accepted", kind=None, how="first")
    with sqlite3.connect(placed / REVIEW) as base:
        base.execute("UPDATE review SET answer = 'rejected'")
    assert answers.given[0].answer == "rejected"
    with sqlite3.connect(placed / REVIEW) as base:
        base.execute("UPDATE review SET answer = 'perhaps', how = 'dice'")
    assert not answers.given
    assert answers.strays == 1


def test_another_threshold_keeps_the_answers_of_outlines_that_stay_and_the_file_those_of_others(
    placed: Path,
) -> None:
    objects, answers = opened(placed)
    for place in range(len(objects)):
        answers.give(place, "accepted" if place % 2 else "rejected", kind=None, how="first")
    before = {
        shapely.normalize(objects.shapes[place]).wkb: each.answer
        for place, each in answers.given.items()
    }
    assert main(["threshold", str(placed), "0.5", "--min-pixels", "20", "-q"]) == 0
    again, kept = opened(placed)
    found = {shapely.normalize(shape).wkb: place for place, shape in enumerate(again.shapes)}
    stayed = before.keys() & found.keys()
    assert 0 < len(stayed) < len(before)
    assert {found[wkb]: before[wkb] for wkb in stayed} == {
        place: each.answer for place, each in kept.given.items()
    }
    assert kept.strays == len(before) - len(stayed)
    table = gpd.read_file(placed / REVIEW, layer="review")
    assert len(table) == len(before)
    numbers = table["object"].dropna().astype(int)
    assert sorted(numbers) == sorted(again.ids[list(kept.given)])
    # Back again, they are all there.
    assert main(["threshold", str(placed), "0.5", "--min-pixels", "3", "-q"]) == 0
    assert len(opened(placed)[1].given) == len(before)


def test_detect_does_not_overwrite_a_result_with_answers(placed: Path, capsys) -> None:
    _, answers = opened(placed)
    answers.give(0, "accepted", kind=None, how="first")
    record = json.loads((placed / "run.json").read_text())
    images = [record["inputs"][date]["path"] for date in ("t1", "t2")]
    assert main(["detect", *images, "-o", str(placed), "--overwrite", "-q", "--method", "cva"]) == 3
    assert REVIEW in capsys.readouterr().err
    assert set(opened(placed)[1].given) == {0}


def test_a_file_of_somebody_else_is_not_touched(placed: Path) -> None:
    (placed / REVIEW).write_text("mine")
    with pytest.raises(DataError, match="move it away"):
        opened(placed)
    assert (placed / REVIEW).read_text() == "mine"
    with sqlite3.connect(placed / "other.gpkg") as base:
        base.execute("CREATE TABLE review (a)")
    (placed / "other.gpkg").replace(placed / REVIEW)
    with pytest.raises(DataError, match="move it away"):
        opened(placed)


def test_answers_are_not_written_through_a_link(out: Path, tmp_path: Path) -> None:
    (out / REVIEW).symlink_to(tmp_path / "elsewhere.gpkg")
    with pytest.raises(DataError, match="link"):
        opened(out)
    assert not (tmp_path / "elsewhere.gpkg").exists()


def test_a_folder_that_cannot_be_written_is_said(out: Path, monkeypatch) -> None:
    _, answers = opened(out)
    # Root may write anywhere: what SQLite says of a file system that is read only.
    monkeypatch.setattr(answers, "path", out / "gone" / REVIEW)
    with pytest.raises(OutputError, match="cannot be written"):
        answers.give(0, "accepted", kind=None, how="first")


def test_many_outlines_are_told_apart(out: Path) -> None:
    objects, _ = opened(out)
    assert len(objects) > 25
    assert np.unique(objects.ids).size == len(objects)
    for place in range(len(objects)):
        assert objects.places[int(objects.ids[place])] == place


@pytest.mark.parametrize(
    ("column", "value", "kept"),
    [("geom", "text", False), ("geom", 12, False), ("kind", b"\0\xff", True), ("time", 9, True)],
)
def test_what_others_wrote_into_it_breaks_nothing(
    placed: Path, column: str, value: object, kept: bool
) -> None:
    _, answers = opened(placed)
    answers.give(0, "accepted", kind=None, how="first")
    with sqlite3.connect(placed / REVIEW) as base:
        base.execute(f"UPDATE review SET {column} = ?", (value,))
    _, again = opened(placed)
    assert (len(again.given), again.strays) == ((1, 0) if kept else (0, 1))
    json.dumps([vars(each) for each in again.given.values()])


def test_a_file_that_another_program_holds_is_said_to_be_held(placed: Path, monkeypatch) -> None:
    monkeypatch.setattr("metriccd.review.answers.BUSY", 0.1)
    _, answers = opened(placed)
    answers.give(0, "accepted", kind=None, how="first")
    with closing(sqlite3.connect(placed / REVIEW)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(OutputError, match="another program holds"):
            opened(placed)
        with pytest.raises(OutputError, match="another program holds"):
            answers.give(1, "accepted", kind=None, how="first")
    answers.give(1, "accepted", kind=None, how="first")
    assert set(opened(placed)[1].given) == {0, 1}


def test_what_ended_a_transaction_is_said(placed: Path) -> None:
    _, answers = opened(placed)
    answers.give(0, "accepted", kind=None, how="first")
    with sqlite3.connect(placed / REVIEW) as base:
        # As a full disk does.
        base.execute(
            "CREATE TRIGGER full BEFORE INSERT ON history BEGIN "
            "SELECT RAISE(ROLLBACK, 'no room is left'); END"
        )
    with pytest.raises(OutputError, match="no room is left"):
        answers.give(1, "accepted", kind=None, how="first")
    assert set(opened(placed)[1].given) == {0}


def test_a_folder_of_its_name_is_said(placed: Path) -> None:
    (placed / REVIEW).mkdir()
    with pytest.raises(DataError, match="must be a file"):
        opened(placed)


def test_answers_that_are_still_on_their_way_to_a_new_result_are_waited_for(placed: Path) -> None:
    _, answers = opened(placed)
    answers.give(0, "accepted", kind=None, how="first")
    earlier = earlier_path(placed) / REVIEW
    earlier.parent.mkdir(parents=True)
    (placed / REVIEW).rename(earlier)
    _, again = opened(placed)
    assert not again.given
    arrival = threading.Timer(1.5, lambda: earlier.rename(placed / REVIEW))
    arrival.start()
    again.give(1, "rejected", kind=None, how="first")
    arrival.join()
    assert {place: each.answer for place, each in again.given.items()} == {
        0: "accepted",
        1: "rejected",
    }
