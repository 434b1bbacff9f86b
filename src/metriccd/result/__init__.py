"""The result: what OUT holds, written window by window, whole or not at all.

In: a change map and a score by windows, and the record of how they were made.
Out: rasters, polygons, STAC item, styles, report and pictures in files; `Change` in memory.
"""

from metriccd.result.archive import Archive, decide_again, read_record
from metriccd.result.change import Change, open_change
from metriccd.result.drafts import Drafts
from metriccd.result.layers import Products, add_styles, read_polygons, write_polygons
from metriccd.result.maps import Place, add_legend, add_score, amount, dated
from metriccd.result.polygons import Polygons, scene_polygons
from metriccd.result.record import (
    code_digest,
    decision_record,
    input_of,
    sha256_of,
    software,
    versions,
    weights_file,
    weights_of,
)
from metriccd.result.result import Result
from metriccd.result.tally import Census

__all__ = [
    "Archive",
    "Census",
    "Change",
    "Drafts",
    "Place",
    "Polygons",
    "Products",
    "Result",
    "add_legend",
    "add_score",
    "add_styles",
    "amount",
    "code_digest",
    "dated",
    "decide_again",
    "decision_record",
    "input_of",
    "open_change",
    "read_polygons",
    "read_record",
    "scene_polygons",
    "sha256_of",
    "software",
    "versions",
    "weights_file",
    "weights_of",
    "write_polygons",
]
