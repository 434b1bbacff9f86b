"""The house: imports point down the layers, and every room has its own tools."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src" / "metriccd"

# From the ground up, as docs/architecture.md has it. A room imports from its own layer or below,
# never in a circle.
LAYERS = [
    {"errors", "stages", "style", "histogram", "workers"},
    {
        "raster",
        "color",
        "difference",
        "threshold",
        "losses",
        "metrics",
        "nets",
        "augmentation",
        "reference",
        "datasets",
        "published",
        "tables",
        "smoothing",
    },
    {"image", "pair", "record", "stac", "folder", "figures", "synthetic", "tiling", "overview"},
    {"layer", "objects"},
    {"standard", "sampling", "crops", "polygons", "workspace"},
    {"prediction", "structure", "guidance", "scale"},
    {"fit", "feature_distance", "closed_form", "adaptation", "fusion", "deep_cva", "report"},
    {"measure", "result"},
    {"methods", "change", "scan"},
    {"decision", "preset"},
    {"detection"},
    {"evaluation", "judgment", "ablation"},
    {"journal"},
    {"demo", "compare", "standings"},
    {"benchmark"},
    {"console", "arguments"},
    {"cli"},
]
# Packages that only one room may touch, because it is the one that knows them.
OWNERS = {
    "rasterio": {"raster"},
    "geopandas": {"polygons", "change"},
    "pystac": {"stac"},
    "matplotlib": {"figures", "change"},
    "typer": {"cli", "console", "arguments"},
    "rich": {"cli", "console"},
    "jinja2": {"report"},
    "safetensors": {"nets"},
}


def room(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """Full names of the modules a file imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


MODULES = sorted(SOURCE.rglob("*.py"))
ROOMS = {room(path) for path in MODULES} - {"__init__", "__main__"}


def test_every_room_is_in_exactly_one_layer() -> None:
    placed = [name for layer in LAYERS for name in layer]
    assert sorted(placed) == sorted(ROOMS)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_point_down(path: Path) -> None:
    own = room(path)
    if own in {"__init__", "__main__"}:
        return
    (level,) = (index for index, layer in enumerate(LAYERS) if own in layer)
    below = set().union(*LAYERS[: level + 1])
    for name in imported(path):
        parts = name.split(".")
        if parts[0] == "metriccd" and len(parts) > 1 and parts[1] in ROOMS:
            assert parts[1] in below, f"{own} imports {name} from above"


@pytest.mark.parametrize("package", OWNERS)
def test_a_package_is_known_to_its_owners_only(package: str) -> None:
    users = {
        room(path)
        for path in MODULES
        if any(name.split(".")[0] == package for name in imported(path))
    }
    assert users <= OWNERS[package]


def test_the_door_is_small() -> None:
    import metriccd

    assert len(metriccd.__all__) <= 12


def test_files_are_read_in_a_sitting() -> None:
    long = {
        path.name: count for path in MODULES if (count := len(path.read_text().splitlines())) > 420
    }
    assert not long
