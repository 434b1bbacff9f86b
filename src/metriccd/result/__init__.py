"""The result: what OUT holds, written window by window, whole or not at all.

In: a change map and a score by windows, and the record of how they were made.
Out: rasters, polygons, STAC item, styles, report and pictures; `Change` in memory.
"""

from metriccd.result.archive import Archive, decide_again, read_record
from metriccd.result.change import Change, open_change
from metriccd.result.drafts import Drafts
from metriccd.result.layers import Products, add_styles, read_polygons, write_polygons
from metriccd.result.maps import Place, add_legend, add_score, amount, dated
from metriccd.result.panels import DPI, error_panel
from metriccd.result.pictures import (
    CHANGE_RGB,
    ERROR_MEANING,
    ERROR_RGB,
    NODATA_RGB,
    color_limit,
    encode,
    error_map,
    reduce,
    shrunk,
    stretched,
)
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
from metriccd.result.report import with_reference
from metriccd.result.result import Result
from metriccd.result.tally import Census

__all__ = [
    "CHANGE_RGB",
    "DPI",
    "ERROR_MEANING",
    "ERROR_RGB",
    "NODATA_RGB",
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
    "color_limit",
    "dated",
    "decide_again",
    "decision_record",
    "encode",
    "error_map",
    "error_panel",
    "input_of",
    "open_change",
    "read_polygons",
    "read_record",
    "reduce",
    "scene_polygons",
    "sha256_of",
    "shrunk",
    "software",
    "stretched",
    "versions",
    "weights_file",
    "weights_of",
    "with_reference",
    "write_polygons",
]
