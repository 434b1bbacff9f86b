"""The accepted objects as a file of polygons, with the kinds that they were given."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from metriccd.result import read_polygons, write_polygons
from metriccd.review.answers import REJECTED, Given
from metriccd.review.objects import Objects

FORMATS = ("gpkg", "geojson")
LAYER = "accepted"


def export(folder: Path, objects: Objects, given: Mapping[int, Given], kind: str) -> bytes:
    """A file of the objects that were accepted, or given another kind.

    It has the columns of `change.gpkg`, `kind` being the one of the answer, and `answer` and
    `answered` (when) besides.

    Args:
        folder: Of the result.
        objects: Its objects.
        given: Answers by place.
        kind: One of `FORMATS`.

    Raises:
        DataError: The polygons cannot be read.
    """
    kept = sorted(place for place, each in given.items() if each.answer != REJECTED)
    answers = [given[place] for place in kept]
    table = read_polygons(folder)
    rows = table["id"].isin(objects.ids[kept])
    chosen = table[rows].set_index("id", drop=False).loc[objects.ids[kept]].reset_index(drop=True)
    if "kind" in chosen:
        chosen["kind"] = [each.kind for each in answers]
    chosen["answer"] = [each.answer for each in answers]
    chosen["answered"] = [each.time for each in answers]
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / f"accepted.{kind}"
        write_polygons(chosen, path, layer=LAYER)
        return path.read_bytes()
