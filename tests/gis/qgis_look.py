"""Opens a result in QGIS without a screen, with the Python that QGIS comes with.

Run as `python3 qgis_look.py OUT PICTURE`: prints what QGIS makes of the layers as JSON, and renders
the project.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from qgis.core import (
    QgsApplication,
    QgsMapRendererParallelJob,
    QgsMapSettings,
    QgsProject,
    QgsRasterLayer,
    QgsRenderContext,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QSize
from qgis.PyQt.QtGui import QColor


def told(layer) -> dict[str, object]:
    """What QGIS says of a layer."""
    found: dict[str, object] = {"valid": layer.isValid(), "renderer": layer.renderer().type()}
    found["crs"] = layer.crs().authid()
    if isinstance(layer, QgsVectorLayer):
        found["color"] = (
            layer.renderer().symbols(QgsRenderContext())[0].symbolLayer(0).strokeColor().name()
        )
        found["features"] = layer.featureCount()
    return found


def main(out: Path, picture: Path) -> None:
    QgsApplication.setPrefixPath("/usr", True)
    application = QgsApplication([], False)
    application.initQgis()
    names = ("change.tif", "kind.tif", "cluster.tif", "score.tif")
    rasters = [QgsRasterLayer(str(out / name), name) for name in names]
    polygons = QgsVectorLayer(str(out / "change.gpkg"), "change.gpkg")
    loaded = {layer.name(): told(layer) for layer in (*rasters, polygons)}
    for extra in out.glob("polygons.geojson"):
        loaded[extra.name] = told(QgsVectorLayer(str(extra), extra.name))
    project = QgsProject.instance()
    opened = project.read(str(out / "project.qgz"))
    root = project.layerTreeRoot()
    order = [node.layer() for node in root.findLayers()]
    visible = [node.layer() for node in root.findLayers() if node.isVisible()]
    settings = QgsMapSettings()
    settings.setLayers(visible)
    settings.setBackgroundColor(QColor(255, 255, 255))
    settings.setOutputSize(QSize(900, 900))
    settings.setDestinationCrs(project.crs())
    settings.setExtent(order[-1].extent())
    job = QgsMapRendererParallelJob(settings)
    job.start()
    job.waitForFinished()
    job.renderedImage().save(str(picture))
    tree = {group.name(): [node.name() for node in group.children()] for group in root.children()}
    told_of = {
        "loaded": loaded,
        "opened": opened,
        "project": {layer.name(): told(layer) for layer in order},
        "tree": tree,
        "shown": [layer.name() for layer in visible],
        "crs": project.crs().authid(),
    }
    sys.stdout.write(json.dumps(told_of))
    sys.stdout.flush()
    # QGIS may crash while Python takes its objects apart.
    os._exit(0)


main(Path(sys.argv[1]), Path(sys.argv[2]))
