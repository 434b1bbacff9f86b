"""Facts about a result in words: dates, names, and settings as people ask for them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from metriccd.report.data import ReportData, method_of

DATES = ("t1", "t2")
# Of an image of many files, as many as anybody reads.
FILES_SHOWN = 30
# What is in OUT, in the order in which people look for it.
FILES = {
    "change.gpkg": "change objects as polygons",
    "polygons.geojson": "the same as GeoJSON",
    "polygons.fgb": "the same as FlatGeobuf",
    "polygons.parquet": "the same as GeoParquet",
    "zones.csv": "what changed in each zone",
    "project.qgz": "QGIS project of all layers",
    "change.tif": "change map",
    "score.tif": "change score of every pixel",
    "kind.tif": "kinds of change",
    "cluster.tif": "clusters of change",
    "direction.tif": "what appeared, what disappeared",
    "before-view.tif": "the first date as shown here",
    "after-view.tif": "the second date as shown here",
    "preview-large.png": "a picture for slides",
    "item.json": "STAC item",
    "run.json": "how it was made: inputs, settings, versions",
}


def title(record: Mapping[str, Any], folder: str) -> str:
    """Names of both images, with their folder's where they differ in a number only."""
    labels = _labels(record)
    if len(labels) < 2:
        return folder
    names = [Path(label).name or label for label in labels]
    parents = [Path(label).parent.name for label in labels]
    alike = len({re.sub(r"\d+", "", name) for name in names}) == 1
    if alike and len(set(parents)) == 1 and parents[0]:
        return f"{parents[0]}: {names[0]} → {names[1]}"
    if names[0] == names[1] and parents[0] != parents[1]:
        names = [f"{parent}/{name}" for parent, name in zip(parents, names, strict=True)]
    return " → ".join(names)


def when(record: Mapping[str, Any]) -> list[dict[str, str | None]]:
    """Of both dates: time and day of the image and what tells them, in words; None if unknown."""
    known = record.get("dates") or {}
    found = []
    for date in DATES:
        told = known.get(date) or {}
        time = _day(told["time"]) if "time" in told else None
        day = None if time is None else time.partition(",")[0]
        found.append({"time": time, "day": day, "source": told.get("source")})
    return found


def files(names: Sequence[str]) -> list[tuple[str, str]]:
    """Files that people look for, of those that are there, and what each is."""
    return [(name, words) for name, words in FILES.items() if name in set(names)]


def settings(data: ReportData) -> list[tuple[str, str]]:
    """What was done, for people: label and words."""
    record = data.record
    told, check = record.get("settings", {}), record.get("check", {})
    rows = list(zip(("Before", "After"), _labels(record), strict=False))
    method, preset = method_of(record), told.get("preset")
    rows.append(("Method", f"{method} (preset {preset})" if preset else method))
    rows.append(("Bands compared", _listed(told.get("bands"))))
    rows.append(("Red, green, blue shown", _listed(told.get("rgb"))))
    rows.append(("Shown", _display(record)))
    rows.append(("Threshold", _chosen(data)))
    rows.append(("Certainty", str(told.get("certainty") or "")))
    least = record.get("cleaning", {}).get("least_pixels")
    if least is not None:
        fewer = "all objects count" if least <= 1 else f"{least} pixels; smaller ones were dropped"
        rows.append(("Smallest object", fewer))
    rows.append(("Kinds that count", _listed(told.get("kinds")) or ("all" if data.kinds else "")))
    rows.append(("Masks", _listed(told.get("masks"))))
    rows.append(("Area", _listed(told.get("bbox"))))
    rows.append(("Registration", _shift(told, check)))
    return [(label, words) for label, words in rows if words]


def internals(record: Mapping[str, Any]) -> dict[str, list[tuple[str, str]]]:
    """What was done, to the last number: tables by their titles."""
    tables = {
        "All settings": _rows(record.get("settings", {})),
        "Files read": [
            (f"{date} {file['path']}", f"SHA-256 {file['sha256']}")
            for date in DATES
            for file in record.get("inputs", {}).get(date, {}).get("files", [])[:FILES_SHOWN]
        ],
        "Versions": _rows(record.get("versions", {})),
    }
    return {name: rows for name, rows in tables.items() if rows}


def _labels(record: Mapping[str, Any]) -> list[str]:
    inputs = record.get("inputs", {})
    return [str(inputs[date]["path"]) for date in DATES if date in inputs]


def _day(time: str) -> str:
    """A day, and the time where more than the day is known."""
    moment = datetime.fromisoformat(time).astimezone(UTC)
    clock = "" if (moment.hour, moment.minute) == (0, 0) else f", {moment:%H:%M} UTC"
    return f"{moment:%Y-%m-%d}{clock}"


def _display(record: Mapping[str, Any]) -> str:
    stretch = record.get("display", {}).get("stretch")
    words = {
        "one": "both dates on one stretch: what looks alike is alike",
        "each": "each date on a stretch of its own, for their values lie far apart",
    }
    return words.get(stretch, "")


def _chosen(data: ReportData) -> str:
    """What chose the threshold."""
    if data.basis == "supervised":
        rule = "" if data.rule == "fixed" else f", found by {data.rule}"
        return f"{data.threshold:.4g}{rule}, on a supervised score"
    if data.own:
        return f"{data.threshold:.4g}, the method's own"
    if data.basis == "set by hand":
        return f"{data.threshold:.4g}, set by hand"
    return f"{data.threshold:.4g}, found by “{data.rule}” without any labels"


def _shift(told: Mapping[str, Any], check: Mapping[str, Any]) -> str:
    """How both dates lie to each other."""
    shift = check.get("shift") or {}
    if told.get("coregister"):
        return f"t2 was moved onto t1 ({told['coregister']})"
    if shift.get("rows") is None:
        return ""
    rows, columns = (f"{round(shift[name], 2) + 0.0:+.2f}" for name in ("rows", "columns"))
    return f"t2 lies {rows} rows and {columns} columns off t1"


def _rows(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(str(name), _listed(value)) for name, value in values.items()]


def _listed(value: Any) -> str:
    """A value as text; nothing for what is none."""
    if value is None:
        return ""
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
