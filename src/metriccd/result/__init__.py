"""The result: what OUT holds, written window by window, whole or not at all.

In: a change map and a score by windows, and the record of how they were made.
Out: rasters, polygons, STAC item, styles, report and pictures; `Change` in memory.
"""

from metriccd.result.change import Change
from metriccd.result.folder import (
    RECORD,
    output_folder,
    unfinished_folder,
    unfinished_path,
    write_together,
)
from metriccd.result.panels import DPI, error_panel
from metriccd.result.pictures import encode, error_map, shrunk, stretched
from metriccd.result.record import (
    code_digest,
    input_of,
    inputs_of,
    key_of,
    versions,
    weights_of,
)
from metriccd.result.report import with_reference
from metriccd.result.result import Result
from metriccd.result.style import CHANGE

__all__ = [
    "CHANGE",
    "DPI",
    "RECORD",
    "Change",
    "Result",
    "code_digest",
    "encode",
    "error_map",
    "error_panel",
    "input_of",
    "inputs_of",
    "key_of",
    "output_folder",
    "shrunk",
    "stretched",
    "unfinished_folder",
    "unfinished_path",
    "versions",
    "weights_of",
    "with_reference",
    "write_together",
]
