"""The QGIS project of a result: its layers, styled and grouped, over both dates."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Literal
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from metriccd.raster import Grid

VERSION = "3.22.0"
# A zip entry needs a time; one that tells nothing keeps the bytes the same from run to run.
NO_TIME = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, kw_only=True)
class ProjectLayer:
    """A layer of the project.

    Attributes:
        source: File beside the project, with `|layername=` where it holds several.
        name: In the legend.
        group: Its group in the legend.
        qml: Its style.
        kind: "raster" or "vector".
        shown: True = drawn from the start.
    """

    source: str
    name: str
    group: str
    qml: str
    kind: Literal["raster", "vector"]
    shown: bool = True

    @property
    def id(self) -> str:
        """Name within the project file; QGIS gives another one to layers with a short one."""
        return "metriccd_" + "".join(each if each.isalnum() else "_" for each in self.source)


def project(title: str, grid: Grid, layers: Sequence[ProjectLayer]) -> bytes:
    """A project file (.qgz) that lies beside the layers and names them relatively.

    Args:
        title: Of the project.
        grid: The view is its extent.
        layers: From top to bottom.
    """
    root = Element("qgis", {"projectname": title, "version": VERSION})
    SubElement(root, "title").text = title
    _crs(SubElement(root, "projectCrs"), grid)
    tree = SubElement(root, "layer-tree-group")
    groups: dict[str, Element] = {}
    for layer in layers:
        if layer.group not in groups:
            groups[layer.group] = SubElement(
                tree,
                "layer-tree-group",
                {"name": layer.group, "checked": "Qt::Checked", "expanded": "1"},
            )
        SubElement(
            groups[layer.group],
            "layer-tree-layer",
            {
                "id": layer.id,
                "name": layer.name,
                "source": f"./{layer.source}",
                "providerKey": _provider(layer),
                "checked": "Qt::Checked" if layer.shown else "Qt::Unchecked",
                "expanded": "0",
            },
        )
    _canvas(SubElement(root, "mapcanvas", {"name": "theMapCanvas"}), grid)
    held = SubElement(root, "projectlayers")
    for layer in layers:
        _map_layer(held, layer, grid)
    order = SubElement(root, "layerorder")
    for layer in layers:
        SubElement(order, "layer", {"id": layer.id})
    properties = {
        "Paths": {"Absolute": ("bool", "false")},
        # Without it QGIS does not look at the CRS of the project.
        "SpatialRefSys": {"ProjectionsEnabled": ("int", "0" if grid.crs is None else "1")},
    }
    _properties(root, properties)
    text = ElementTree.tostring(root, encoding="unicode")
    head = "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        entry = zipfile.ZipInfo("project.qgs", NO_TIME)
        entry.compress_type = zipfile.ZIP_DEFLATED
        archive.writestr(entry, head + text)
    return buffer.getvalue()


def _map_layer(parent: Element, layer: ProjectLayer, grid: Grid) -> None:
    node = SubElement(parent, "maplayer", {"type": layer.kind, "autoRefreshEnabled": "0"})
    if layer.kind == "vector":
        node.set("geometry", "Polygon")
    SubElement(node, "id").text = layer.id
    SubElement(node, "datasource").text = f"./{layer.source}"
    SubElement(node, "layername").text = layer.name
    _crs(SubElement(node, "srs"), grid)
    SubElement(node, "provider").text = _provider(layer)
    for child in ElementTree.fromstring(layer.qml):
        node.append(child)


def _provider(layer: ProjectLayer) -> str:
    return "gdal" if layer.kind == "raster" else "ogr"


def _crs(parent: Element, grid: Grid) -> None:
    system = SubElement(parent, "spatialrefsys")
    if grid.crs is None:
        return
    SubElement(system, "wkt").text = grid.crs.to_wkt()
    code = grid.crs.to_authority()
    SubElement(system, "authid").text = ":".join(code) if code else ""


def _canvas(canvas: Element, grid: Grid) -> None:
    SubElement(canvas, "units").text = "meters"
    xs, ys = grid.drawn.edge()
    extent = SubElement(canvas, "extent")
    for name, value in zip(
        ("xmin", "ymin", "xmax", "ymax"), (min(xs), min(ys), max(xs), max(ys)), strict=True
    ):
        SubElement(extent, name).text = repr(float(value))
    SubElement(canvas, "rotation").text = "0"
    _crs(SubElement(canvas, "destinationsrs"), grid)


def _properties(root: Element, values: Mapping[str, Mapping[str, tuple[str, str]]]) -> None:
    properties = SubElement(root, "properties")
    for group, entries in values.items():
        node = SubElement(properties, group)
        for name, (kind, value) in entries.items():
            SubElement(node, name, {"type": kind}).text = value
