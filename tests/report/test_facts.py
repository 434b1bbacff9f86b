"""Facts of a record in words."""

from __future__ import annotations

import pytest

from metriccd.report.facts import FILES, files, internals, settings, title, when
from report_scenes import record, report


def named(*paths: str) -> dict:
    dates = zip(("t1", "t2"), paths, strict=False)
    return {"inputs": {date: {"path": path, "files": []} for date, path in dates}}


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (("a/before.tif", "b/after.tif"), "before.tif → after.tif"),
        (("/d/rennes/imgs_1", "/d/rennes/imgs_2"), "rennes: imgs_1 → imgs_2"),
        (("one/2001.tif", "two/2002.tif"), "2001.tif → 2002.tif"),
        (("im1.png", "im2.png"), "im1.png → im2.png"),
        (("/d/t1/a.png", "/d/t2/a.png"), "t1/a.png → t2/a.png"),
        ((), "OUT"),
    ],
)
def test_a_pair_is_called_by_its_files_and_its_folder_where_these_say_little(
    paths, expected: str
) -> None:
    assert title(named(*paths), "OUT") == expected


def test_dates_are_days_and_times_where_times_are_known() -> None:
    assert [each["time"] for each in when(record())] == ["2017-07-04, 10:30 UTC", "2019-06-01"]
    assert [each["source"] for each in when(record())] == ["its name", "--dates"]
    assert [each["day"] for each in when(record())] == ["2017-07-04", "2019-06-01"]
    unknown = {"time": None, "day": None, "source": None}
    assert when({}) == [unknown, unknown]
    assert when({"dates": {"t1": None}}) == [unknown, unknown]


def test_files_that_are_there_are_told_and_no_others() -> None:
    assert [name for name, _ in files(["score.qml", "run.json", "change.tif", "notes.txt"])] == [
        "change.tif",
        "run.json",
    ]
    assert "report.html" not in FILES


def test_settings_for_people_leave_out_what_is_not_known() -> None:
    labels = dict(settings(report()))
    assert labels["Method"] == "fusion (preset default)"
    assert labels["Bands compared"] == "red, green, blue"
    assert labels["Threshold"] == "0.31, found by “otsu” without any labels"
    assert labels["Smallest object"] == "4 pixels; smaller ones were dropped"
    assert labels["Before"] == "/data/before.tif"
    assert not {"Masks", "Area", "Registration", "Kinds that count"} & labels.keys()
    by_hand = dict(settings(report(rule="fixed")))
    assert by_hand["Threshold"] == "0.31, set by hand"
    own = dict(settings(report(rule="fixed", record=record(automatic=0.31))))
    assert own["Threshold"] == "0.31, the method's own"


def test_how_the_dates_lie_and_are_shown_is_told() -> None:
    told = record(check={"shift": {"rows": 0.38, "columns": -1.2}}, display={"stretch": "each"})
    labels = dict(settings(report(record=told)))
    assert labels["Registration"] == "t2 lies +0.38 rows and -1.20 columns off t1"
    assert "stretch of its own" in labels["Shown"]
    hardly = record(check={"shift": {"rows": -0.04, "columns": -0.001}})
    labels = dict(settings(report(record=hardly)))
    assert labels["Registration"] == "t2 lies -0.04 rows and +0.00 columns off t1"


def test_internals_hold_every_setting_and_checksum() -> None:
    tables = internals(record(versions={"torch": "2.13"}))
    assert ("bands", "red, green, blue") in tables["All settings"]
    assert tables["Files read"][0] == ("t1 /data/before.tif", f"SHA-256 {'0' * 64}")
    assert tables["Versions"] == [("torch", "2.13")]
    assert internals({}) == {}
