"""A scene of any size: what is fitted on parts of it and measured tile by tile.

In: a source of blocks, and a method fitted on it.
Out: layers in memory or in files, their histogram, overviews of both dates.
"""

from metriccd.scene.histogram import Histogram
from metriccd.scene.layer import Layer
from metriccd.scene.measure import Difference, Fitted, side_of
from metriccd.scene.overview import LONG_SIDE, Maximum, factor_of
from metriccd.scene.passes import Pass, finished
from metriccd.scene.sampling import representative
from metriccd.scene.scan import Scan, block_means
from metriccd.scene.tiles import Tile, map_tiles, tiles
from metriccd.scene.workers import map_ahead, workers
from metriccd.scene.workspace import FIT, Files, Memory, Workspace, left_in

__all__ = [
    "FIT",
    "LONG_SIDE",
    "Difference",
    "Files",
    "Fitted",
    "Histogram",
    "Layer",
    "Maximum",
    "Memory",
    "Pass",
    "Scan",
    "Tile",
    "Workspace",
    "block_means",
    "factor_of",
    "finished",
    "left_in",
    "map_ahead",
    "map_tiles",
    "representative",
    "side_of",
    "tiles",
    "workers",
]
