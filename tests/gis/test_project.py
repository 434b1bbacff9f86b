"""The QGIS project: what QGIS itself makes of it, where it is installed."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from zipfile import ZipFile

import numpy as np
import pytest
from affine import Affine
from matplotlib.image import imread
from rasterio.crs import CRS

import metriccd as mcd
from metriccd.gis.project import ProjectLayer, project
from metriccd.gis.style import image_qml
from metriccd.raster import Grid
from raster_files import write

LOOK = Path(__file__).with_name("qgis_look.py")


def layer(name: str, **more: object) -> ProjectLayer:
    return ProjectLayer(
        source=name, name=name, group="Images", qml=image_qml(), kind="raster", **more
    )


def parts(content: bytes) -> ElementTree.Element:
    with ZipFile(BytesIO(content)) as archive:
        (name,) = archive.namelist()
        assert name == "project.qgs"
        return ElementTree.fromstring(archive.read(name))


def test_a_project_names_its_layers_beside_it_and_opens_on_the_scene() -> None:
    grid = Grid(
        height=30, width=20, transform=Affine(10, 0, 6e5, 0, -10, 48e5), crs=CRS.from_epsg(32632)
    )
    content = project("a & b", grid, [layer("one.tif"), layer("two.tif", shown=False)])
    root = parts(content)
    assert root.findtext("title") == "a & b"
    sources = [node.text for node in root.findall("projectlayers/maplayer/datasource")]
    assert sources == ["./one.tif", "./two.tif"]
    ids = [node.text for node in root.findall("projectlayers/maplayer/id")]
    tree = root.findall("layer-tree-group/layer-tree-group/layer-tree-layer")
    assert [node.get("id") for node in tree] == ids
    assert [node.get("checked") for node in tree] == ["Qt::Checked", "Qt::Unchecked"]
    extent = {node.tag: float(node.text) for node in root.find("mapcanvas/extent")}
    assert extent == {"xmin": 6e5, "xmax": 600_200, "ymin": 4_799_700, "ymax": 48e5}
    assert project("a & b", grid, [layer("one.tif"), layer("two.tif", shown=False)]) == content


def test_a_project_without_crs_asks_for_none() -> None:
    grid = Grid(height=30, width=20, transform=Affine.identity(), crs=None)
    assert (
        parts(project("x", grid, [layer("one.tif")])).find("projectCrs/spatialrefsys/wkt") is None
    )


@pytest.mark.slow
@pytest.mark.parametrize("georeferenced", [True, False])
def test_qgis_styles_every_layer_and_draws_the_project(
    tmp_path: Path, qgis: Callable[..., Any], georeferenced
) -> None:
    rng = np.random.default_rng(0)
    one = rng.integers(900, 1100, (3, 90, 120)).astype(np.uint16)
    other = one.copy()
    other[:, 20:50, 30:70] += 3000
    place = {} if georeferenced else {"crs": None, "transform": Affine.identity()}
    pair = [
        write(tmp_path / f"{name}.tif", each, **place) for name, each in (("a", one), ("b", other))
    ]
    out = tmp_path / "out"
    mcd.detect(*pair, method="cva").save(out, vector=["geojson"])
    found = qgis(LOOK, out, tmp_path / "look.png")
    renderers = {name: told["renderer"] for name, told in found["loaded"].items()}
    assert renderers == {
        "change.tif": "paletted",
        "kind.tif": "paletted",
        "cluster.tif": "paletted",
        "score.tif": "singlebandpseudocolor",
        "change.gpkg": "singleSymbol",
        "polygons.geojson": "singleSymbol",
    }
    for name in ("change.gpkg", "polygons.geojson"):
        assert found["loaded"][name]["color"] == "#f0008c"
    assert found["opened"]
    assert found["tree"] == {
        "Change": [
            "change objects",
            "change map",
            "kinds of change",
            "clusters of change",
            "change score",
        ],
        "Images": ["after", "before"],
    }
    assert all(told["valid"] for told in found["project"].values())
    assert found["shown"] == ["change objects", "after", "before"]
    assert found["crs"] == ("EPSG:32632" if georeferenced else "")
    drawn = imread(tmp_path / "look.png")[..., :3]
    magenta = (np.abs(drawn - np.array([240, 0, 140]) / 255) < 0.05).all(axis=-1)
    assert 0.0003 < magenta.mean() < 0.1  # an outline of a fraction of a millimeter


def test_without_georeference_the_view_is_the_image_as_programs_draw_it() -> None:
    grid = Grid(height=30, width=20, transform=Affine.identity(), crs=None)
    extent = parts(project("x", grid, [layer("one.tif")])).find("mapcanvas/extent")
    sides = [float(extent.find(name).text) for name in ("xmin", "ymin", "xmax", "ymax")]
    assert sides == [0, -30, 20, 0]
