"""Results in the project: a group for each, its layers with the styles that lie beside them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar, NamedTuple

from qgis.core import (
    QgsLayerTreeGroup,
    QgsMapLayer,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingLayerPostProcessorInterface,
    QgsProcessingUtils,
    QgsProject,
)

# Where a group and its layers keep which result they are of, and their order.
OUT, RANK = "metriccd/out", "metriccd/rank"


class Layer(NamedTuple):
    """A layer of a result.

    Attributes:
        file: In OUT.
        title: In the legend.
        shown: True = drawn from the start.
        table: In a file that may hold several.
    """

    file: str
    title: str
    shown: bool = False
    table: str = ""

    def source(self, out: Path) -> str:
        """By which QGIS opens it."""
        return str(out / self.file) + (f"|layername={self.table}" if self.table else "")


# From top to bottom, as in the project that the command writes.
LAYERS = (
    Layer("change.gpkg", "change objects", shown=True, table="change"),
    Layer("change.tif", "change map"),
    Layer("kind.tif", "kinds of change"),
    Layer("cluster.tif", "clusters of change"),
    Layer("direction.tif", "direction of change"),
    Layer("score.tif", "change score"),
    # Of a series.
    Layer("series.gpkg", "objects of a series", shown=True, table="series"),
    Layer("persistence.tif", "what lasted", shown=True),
    Layer("first_change.tif", "when it changed first"),
    Layer("changes.tif", "how often it changed"),
)


def held(project: QgsProject, out: Path) -> dict[str, str]:
    """Layers of the project that lie in OUT: id → name of the file."""
    files = {
        name: Path(layer.source().partition("|")[0]) for name, layer in project.mapLayers().items()
    }
    place = out.resolve()
    return {name: file.name for name, file in files.items() if file.parent.resolve() == place}


def refresh(project: QgsProject, names: Iterable[str]) -> None:
    """Shows what files hold now that were replaced.

    Args:
        project: What holds the layers.
        names: Their ids.
    """
    for name in names:
        layer = project.mapLayer(name)
        if layer is not None:
            layer.dataProvider().reloadData()
            layer.triggerRepaint()


def load(out: Path, but: set[str], context: QgsProcessingContext) -> None:
    """Lets Processing load the layers of OUT into the project once the algorithm has ended.

    Args:
        out: The result.
        but: Names of files that the project holds already.
        context: Of the run.
    """
    for rank, layer in enumerate(LAYERS):
        if layer.file in but or not (out / layer.file).is_file():
            continue
        hint = QgsProcessingUtils.LayerHint
        details = QgsProcessingContext.LayerDetails(
            layer.title,
            context.project(),
            layer.file,
            hint.Vector if layer.table else hint.Raster,
        )
        details.forceName = True
        details.setPostProcessor(_Placed.of(out, rank, layer))
        context.addLayerToLoadOnCompletion(layer.source(out), details)


class _Placed(QgsProcessingLayerPostProcessorInterface):
    """Gives a layer its style and its place in the legend."""

    # QGIS does not own them, and calls them when the algorithm is gone.
    _kept: ClassVar[dict[str, _Placed]] = {}

    def __init__(self, out: Path, rank: int, layer: Layer) -> None:
        super().__init__()
        self._out, self._rank, self._layer = out, rank, layer

    @classmethod
    def of(cls, out: Path, rank: int, layer: Layer) -> _Placed:
        """One that stays as long as QGIS may call it."""
        return cls._kept.setdefault(layer.source(out), cls(out, rank, layer))

    def postProcessLayer(
        self,
        layer: QgsMapLayer,
        context: QgsProcessingContext,
        feedback: QgsProcessingFeedback,  # noqa: ARG002
    ) -> None:
        """Is called once the layer is in the project."""
        layer.loadDefaultStyle()
        node = context.project().layerTreeRoot().findLayer(layer.id())
        if node is None:
            return
        group = _group(context.project(), self._out)
        ranks = [int(child.customProperty(RANK, 0)) for child in group.children()]
        placed = node.clone()
        placed.setCustomProperty(RANK, self._rank)
        placed.setItemVisibilityChecked(self._layer.shown)
        placed.setExpanded(False)
        group.insertChildNode(sum(rank < self._rank for rank in ranks), placed)
        node.parent().removeChildNode(node)
        layer.triggerRepaint()


def _group(project: QgsProject, out: Path) -> QgsLayerTreeGroup:
    """The group of a result, on top of the legend where there is none yet."""
    root = project.layerTreeRoot()
    for group in root.findGroups(True):
        if group.customProperty(OUT) == str(out):
            return group
    temporary = str(out).startswith(QgsProcessingUtils.tempFolder())
    group = root.insertGroup(0, "change (temporary)" if temporary else out.name)
    group.setCustomProperty(OUT, str(out))
    return group
