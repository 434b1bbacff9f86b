"""How a GIS shows a result: colors, styles of layers (QML, SLD), and the QGIS project of them.

In: a grid, and names of layers.
Out: texts of styles, a project file.
"""

from metriccd.gis.project import ProjectLayer, project
from metriccd.gis.style import (
    APPEARED,
    CHANGE,
    CLUSTER_COLORS,
    COLORS,
    DIRECTION_COLORS,
    DIRECTION_LABELS,
    DISAPPEARED,
    LABELS,
    NO_CHANGE,
    NODATA,
    SCORE_STOPS,
    TITLES,
    classes_qml,
    classes_sld,
    image_qml,
    score_qml,
    score_sld,
)
from metriccd.gis.vector_style import classed_qml, polygons_qml, polygons_sld, zones_qml

__all__ = [
    "APPEARED",
    "CHANGE",
    "CLUSTER_COLORS",
    "COLORS",
    "DIRECTION_COLORS",
    "DIRECTION_LABELS",
    "DISAPPEARED",
    "LABELS",
    "NODATA",
    "NO_CHANGE",
    "SCORE_STOPS",
    "TITLES",
    "ProjectLayer",
    "classed_qml",
    "classes_qml",
    "classes_sld",
    "image_qml",
    "polygons_qml",
    "polygons_sld",
    "project",
    "score_qml",
    "score_sld",
    "zones_qml",
]
