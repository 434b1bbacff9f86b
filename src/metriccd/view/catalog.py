"""The catalog: which results there are to choose from, and what is said of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metriccd.errors import DataError
from metriccd.output import PAIRS, RECORD, restored
from metriccd.result import read_record
from metriccd.review import REVIEW

# Most results of which a page tells.
PAGE = 100


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A result.

    Attributes:
        name: What it is called in the list.
        folder: Where it is.
    """

    name: str
    folder: Path

    def facts(self) -> dict[str, Any]:
        """What the list says of it; only the name, where its record cannot be read."""
        try:
            record = read_record(self.folder)
        except DataError as error:
            return {"name": self.name, "error": str(error)}
        valid, changed = record.get("valid_pixels"), record.get("changed_pixels")
        share = None
        if isinstance(changed, int) and isinstance(valid, int) and 0 <= changed <= valid > 0:
            share = changed / valid
        return {
            "name": self.name,
            "share": share,
            "dates": [day_of(record, date) for date in ("t1", "t2")],
            "reviewed": (self.folder / REVIEW).is_file(),
        }


def day_of(record: Mapping[str, Any], date: str) -> str | None:
    """The day of an image, where its record tells it."""
    dates = record.get("dates")
    told = dates.get(date) if isinstance(dates, dict) else None
    return str(told["time"])[:10] if isinstance(told, dict) and told.get("time") else None


def find_results(places: Sequence[Path]) -> list[Entry]:
    """The results in folders: each itself, or those within it, such as a batch's or a series'.

    Raises:
        DataError: A folder holds none.
    """
    found: list[Entry] = []
    for place in places:
        restored(place)
        if _is_result(place):
            found.append(Entry(name=place.resolve().name, folder=place.resolve()))
            continue
        inner = [each for each in (place, place / PAIRS) if each.is_dir()]
        # A link may lead anywhere.
        folders = [
            folder
            for each in inner
            for folder in sorted(each.iterdir())
            if not folder.is_symlink() and _is_result(folder)
        ]
        if not folders:
            raise DataError(
                f"a viewer needs a result, or a folder of results: {place} holds no {RECORD}; "
                "check the path"
            )
        found += [Entry(name=folder.name, folder=folder.resolve()) for folder in folders]
    return found


def _is_result(folder: Path) -> bool:
    """Whether a folder is a result; that of a series has a record and no score."""
    return (folder / RECORD).is_file() and (folder / "score.tif").is_file()
