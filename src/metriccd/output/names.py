"""Names of what is written: by them alone nothing is known to be ours."""

from __future__ import annotations

import re

RECORD = "run.json"
# Files of a result; a decision on the same score replaces all of them.
RESULT = frozenset(
    {
        RECORD,
        *("score.tif", "score.qml", "score.sld", "score.tif.aux.xml"),
        *("change.tif", "change.qml", "change.sld", "change.tif.aux.xml"),
        *("kind.tif", "kind.qml", "kind.sld", "kind.tif.aux.xml"),
        *("cluster.tif", "cluster.qml", "cluster.sld", "cluster.tif.aux.xml"),
        *("direction.tif", "direction.qml", "direction.sld", "direction.tif.aux.xml"),
        "potential.tif",
        *("change.gpkg", "polygons.qml", "polygons.sld", "zones.csv"),
        *("polygons.geojson", "polygons.parquet", "polygons.fgb"),
        *("before-view.tif", "after-view.tif", "project.qgz"),
        *("report.html", "preview.png", "preview-large.png", "item.json"),
        # What evaluation adds is about one change map.
        *("evaluation.json", "errors.png", "curves.png"),
    }
)
# Names that a run gives to what it is writing: a result's, those of a demo and a comparison, and
# what GDAL and SQLite put beside a file for a while. Only in the folder where a result is made.
_WRITTEN = RESULT | {
    *("before.tif", "after.tif", "reference.tif"),
    *("table.csv", "table.json", "table.md", "panel.png"),
    *("first_change.tif", "first_change.qml", "changes.tif", "changes.qml"),
    *("persistence.tif", "persistence.qml", "persistence.tif.aux.xml"),
    *("series.gpkg", "timeline.png"),
}
_MAKING = re.compile(rf"(?:{'|'.join(map(re.escape, sorted(_WRITTEN)))})(?:[.-][\w.-]+)?")
# Results of the pairs of a series, a folder each, and their lists.
PAIRS = "pairs"
_PAIR = re.compile(rf"{PAIRS}(?:/[^/]+(?:/(?P<file>[^/]+))?)?")
_LIST = re.compile(r"\.metriccd(?:-new)?")
_TILED = re.compile(r"\.cog-\w+(?:/tiled\.tif[\w.-]*)?")
# Intermediate files: layers, one folder each and one file a tile; the fit; what was come upon;
# rasters that are written ahead of the rest, and what a kill left of one.
_WORK = re.compile(
    r"key|seen t[12] \w+|[\w-]+(?:/(?:\d+\.f32|\.\d+\.f32-\w+))?|\.?[\w-]+\.npz(?:-\w+)?"
    r"|drafts/(?:\.draft-\w+(?:/(?P<cut>.+))?|(?P<whole>.+))"
)


def is_in_the_making(name: str) -> bool:
    """Whether a run that makes a result gives this name, from the folder of the result on."""
    pair = _PAIR.fullmatch(name)
    if pair is not None:
        file = pair["file"]
        return file is None or bool(_MAKING.fullmatch(file) or _LIST.fullmatch(file))
    return bool(_MAKING.fullmatch(name) or _TILED.fullmatch(name))


def is_intermediate(name: str) -> bool:
    """Whether a run gives this name to what is kept for the next one."""
    found = _WORK.fullmatch(name)
    drafts = [] if found is None else [each for each in found.groups() if each]
    return found is not None and all(map(is_in_the_making, drafts))
