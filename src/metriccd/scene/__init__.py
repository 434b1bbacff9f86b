"""A scene of any size: what is fitted on parts of it and measured tile by tile.

In: a source of blocks, and a method fitted on it.
Out: layers in memory or in files, their histogram, overviews of both dates.
"""

from metriccd.scene.histogram import Histogram
from metriccd.scene.layer import Layer
from metriccd.scene.measure import Difference, Fitted, side_of
from metriccd.scene.overview import LONG_SIDE, Maximum, factor_of
from metriccd.scene.sampling import representative
from metriccd.scene.scan import block_means, read_ahead, scan
from metriccd.scene.tiles import Tile, map_tiles, tiles
from metriccd.scene.workers import map_ahead, workers
from metriccd.scene.workspace import FINISHED, Files, Memory, Workspace

__all__ = [
    "FINISHED",
    "LONG_SIDE",
    "Difference",
    "Files",
    "Fitted",
    "Histogram",
    "Layer",
    "Maximum",
    "Memory",
    "Tile",
    "Workspace",
    "block_means",
    "factor_of",
    "map_ahead",
    "map_tiles",
    "read_ahead",
    "representative",
    "scan",
    "side_of",
    "tiles",
    "workers",
]
