"""A session of QGIS without a screen, with the plugin, that does what it is given.

Run as `python3 qgis_session.py PLUGINS COMMAND`, with steps as JSON on standard input; prints what
came of each as JSON. As in a window, algorithms run in threads and results are loaded after them.
"""

from __future__ import annotations

import json
import os
import sys
import threading

from qgis.core import (
    QgsApplication,
    QgsFeature,
    QgsGeometry,
    QgsLayerTreeGroup,
    QgsMapRendererParallelJob,
    QgsMapSettings,
    QgsProcessingAlgRunnerTask,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProject,
    QgsRasterDataProvider,
    QgsRasterLayer,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QEventLoop, QSize
from qgis.PyQt.QtGui import QColor

PROJECT = QgsProject.instance()


class Feedback(QgsProcessingFeedback):
    """Keeps what is said, and cancels when a stage begins."""

    def __init__(self, cancel_at: str | None) -> None:
        super().__init__()
        self._cancel_at = cancel_at
        names = ("commands", "stages", "info", "warnings", "errors")
        self.said: dict[str, list[str]] = {name: [] for name in names}
        self.percents: list[float] = []
        self.threads: set[bool] = set()
        self.progressChanged.connect(self.percents.append)

    def setProgressText(self, text: str) -> None:
        self.said["stages"].append(text)
        if text == self._cancel_at:
            self.cancel()

    def pushCommandInfo(self, info: str) -> None:
        self.said["commands"].append(info)
        self.threads.add(threading.current_thread() is threading.main_thread())

    def pushInfo(self, info: str) -> None:
        self.said["info"].append(info)

    def pushWarning(self, warning: str) -> None:
        self.said["warnings"].append(warning)

    def reportError(self, error: str, fatalError: bool = False) -> None:  # noqa: ARG002, N803
        self.said["errors"].append(error)


def run(name: str, parameters: dict, cancel_at: str | None = None) -> dict:
    """Runs an algorithm and loads its results."""
    from processing.gui.Postprocessing import handleAlgorithmResults

    algorithm = QgsApplication.processingRegistry().createAlgorithmById(name)
    context, feedback = QgsProcessingContext(), Feedback(cancel_at)
    context.setProject(PROJECT)
    ready, why = algorithm.canExecute()
    assert ready, why
    ready, why = algorithm.checkParameterValues(parameters, context)
    if not ready:
        return {"well": False, "errors": [why]}
    task = QgsProcessingAlgRunnerTask(algorithm, parameters, context, feedback)
    loop, ended = QEventLoop(), {}

    def end(well: bool, results: dict) -> None:
        ended.update(well=well, results=results)
        loop.quit()

    task.executed.connect(end)
    QgsApplication.taskManager().addTask(task)
    loop.exec_()
    percents = list(feedback.percents)
    if ended["well"]:
        assert handleAlgorithmResults(algorithm, context, feedback, parameters=parameters)
    return {
        **ended,
        **feedback.said,
        "percents": percents,
        "main_thread": sorted(feedback.threads),
        "tree": tree(),
    }


def tree() -> dict:
    """Groups of the legend, from the top; layers in none are in the group of no name."""
    found: dict[str, list] = {}
    for node in PROJECT.layerTreeRoot().children():
        if isinstance(node, QgsLayerTreeGroup):
            found[node.name()] = [told(each) for each in node.children()]
        else:
            found.setdefault("", []).append(told(node))
    return found


def told(node) -> dict:
    layer = node.layer()
    vector = isinstance(layer, QgsVectorLayer)
    return {
        "title": node.name(),
        "shown": node.itemVisibilityChecked(),
        "valid": layer.isValid(),
        "renderer": layer.renderer().type(),
        "features": layer.featureCount() if vector else None,
        "crs": layer.crs().authid(),
    }


def open_raster(path: str) -> str:
    """Adds a raster to the project; its id is returned."""
    layer = QgsRasterLayer(path, "image")
    assert layer.isValid(), path
    return PROJECT.addMapLayer(layer).id()


def compute_raster(path: str) -> str:
    """Adds a raster that QGIS computes from another one when it is looked at; its id."""
    source = QgsRasterLayer(path, "source")
    asked = QgsRasterDataProvider.VirtualRasterParameters()
    asked.crs, asked.extent = source.crs(), source.extent()
    asked.width, asked.height = source.width(), source.height()
    asked.formula = '"source@1" * 2'
    one = QgsRasterDataProvider.VirtualRasterInputLayers()
    one.name, one.uri, one.provider = "source", source.source(), "gdal"
    asked.rInputLayers = [one]
    uri = QgsRasterDataProvider.encodeVirtualRasterProviderUri(asked)
    layer = QgsRasterLayer(uri, "computed", "virtualraster")
    assert layer.isValid(), uri
    return PROJECT.addMapLayer(layer).id()


def sketch(wkt: str, crs: str) -> str:
    """Adds a layer of one polygon that is in no file; its id is returned."""
    layer = QgsVectorLayer(f"Polygon?crs={crs}", "sketch", "memory")
    feature = QgsFeature()
    feature.setGeometry(QgsGeometry.fromWkt(wkt))
    assert layer.dataProvider().addFeatures([feature])[0]
    layer.updateExtents()
    return PROJECT.addMapLayer(layer).id()


def draw(picture: str) -> None:
    """Renders what is shown of the project."""
    layers = [node.layer() for node in PROJECT.layerTreeRoot().findLayers() if node.isVisible()]
    settings = QgsMapSettings()
    settings.setLayers(layers)
    settings.setBackgroundColor(QColor(255, 255, 255))
    settings.setOutputSize(QSize(900, 825))
    settings.setDestinationCrs(layers[-1].crs())
    settings.setExtent(layers[-1].extent())
    job = QgsMapRendererParallelJob(settings)
    job.start()
    job.waitForFinished()
    job.renderedImage().save(picture)


def filled(word, came: list):
    """A word of a step, with what came of earlier steps where it says {"step": number}."""
    if isinstance(word, dict) and word.keys() == {"step"}:
        return came[word["step"]]
    if isinstance(word, dict):
        return {name: filled(value, came) for name, value in word.items()}
    return [filled(each, came) for each in word] if isinstance(word, list) else word


def main(plugins: str, command: str) -> None:
    sys.path[:0] = ["/usr/share/qgis/python/plugins", plugins]
    QgsApplication.setPrefixPath("/usr", True)
    application = QgsApplication([], False)
    application.initQgis()
    from metriccd_qgis import classFactory
    from processing.core.Processing import Processing
    from processing.core.ProcessingConfig import ProcessingConfig

    Processing.initialize()
    plugin = classFactory(None)
    plugin.initProcessing()
    ProcessingConfig.setSettingValue("METRICCD_COMMAND", command)
    does = {
        "run": run,
        "open": open_raster,
        "compute": compute_raster,
        "sketch": sketch,
        "draw": draw,
    }
    came: list = []
    for name, *words in json.load(sys.stdin):
        came.append(does[name](*(filled(word, came) for word in words)))
    plugin.unload()
    sys.stdout.write(json.dumps(came))
    sys.stdout.flush()
    # QGIS may crash while Python takes its objects apart.
    os._exit(0)


main(sys.argv[1], sys.argv[2])
