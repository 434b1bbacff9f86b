"""The report: what people see of a result, as one page and as pictures.

In: overviews of both dates and of the score, counts, objects and the record.
Out: HTML that needs no network, pictures as arrays and files.
"""

from metriccd.report.data import ReportData, is_supervised, method_of
from metriccd.report.levels import TOP_LEVEL, quantize
from metriccd.report.objects import Objects
from metriccd.report.page import draw_preview, render, with_reference
from metriccd.report.panels import DPI, error_panel
from metriccd.report.pictures import (
    CHANGE_RGB,
    COLOR_MAP,
    ERROR_MEANING,
    ERROR_RGB,
    NODATA_RGB,
    chip,
    color_limit,
    color_table,
    encode,
    error_map,
    overlay,
    reduce,
    shrunk,
    thumbnail,
    to_uint8,
)
from metriccd.report.stretch import Stretch, stretched

__all__ = [
    "CHANGE_RGB",
    "COLOR_MAP",
    "DPI",
    "ERROR_MEANING",
    "ERROR_RGB",
    "NODATA_RGB",
    "TOP_LEVEL",
    "Objects",
    "ReportData",
    "Stretch",
    "chip",
    "color_limit",
    "color_table",
    "draw_preview",
    "encode",
    "error_map",
    "error_panel",
    "is_supervised",
    "method_of",
    "overlay",
    "quantize",
    "reduce",
    "render",
    "shrunk",
    "stretched",
    "thumbnail",
    "to_uint8",
    "with_reference",
]
