"""The house: imports point down the layers, through doors, and every room has its own tools."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
SOURCE = REPOSITORY / "src" / "metriccd"
PLAN = REPOSITORY / "docs" / "architecture.md"

# From the ground up, as docs/architecture.md has it: rooms, and files beside them. A room imports
# from its own layer or below, never in a circle.
LAYERS = [
    {"errors", "stages", "storage", "trust"},
    {"raster", "nets", "difference"},
    {"pair", "scene", "gis", "output"},
    {"decision", "kinds"},
    {"recipe", "paper", "peers", "supervised", "methods"},
    {"report", "result", "check", "detection"},
    {
        *("accuracy", "batch", "benchmark", "demo", "figures"),
        *("review", "series", "view", "cli"),
    },
]
# Packages that only one room may touch, because it is the one that knows them.
OWNERS = {
    "rasterio": {"raster"},
    "geopandas": {"result", "batch"},
    "distributed": {"batch"},
    "pystac": {"raster", "result"},
    "matplotlib": {"report", "result", "accuracy", "figures", "series"},
    "typer": {"cli"},
    "rich": {"cli"},
    "jinja2": {"report", "series"},
    "safetensors": {"nets", "supervised"},
    "starlette": {"view"},
    "uvicorn": {"view"},
}
FILES, LINES, TOP = 16, 420, 6


def room(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported(path: Path) -> Iterator[tuple[str, str]]:
    """Modules that a file imports, wherever in it, and what it takes from each."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ((node.module, alias.name) for alias in node.names)


MODULES = sorted(
    path for path in SOURCE.rglob("*.py") if room(path) not in {"__init__", "__main__"}
)
ROOMS = {room(path) for path in MODULES}
FOLDERS = {name for name in ROOMS if (SOURCE / name).is_dir()}


def uses() -> Iterator[tuple[Path, str, str]]:
    """Every import of another room: where, the module, and the name taken."""
    for path in MODULES:
        for module, name in imported(path):
            package, _, rest = module.partition(".")
            target = (rest or name).split(".")[0]
            if package == "metriccd" and target != room(path):
                yield path, rest or name, name if rest else ""


USES = list(uses())


def test_every_room_is_in_exactly_one_layer() -> None:
    placed = [name for layer in LAYERS for name in layer]
    assert sorted(placed) == sorted(ROOMS)
    assert len(LAYERS) <= 7


def test_imports_point_down() -> None:
    level = {name: number for number, layer in enumerate(LAYERS) for name in layer}
    above = [
        f"{path.relative_to(SOURCE)} imports {module}"
        for path, module, _ in USES
        if level[module.split(".")[0]] > level[room(path)]
    ]
    assert not above


def test_no_room_imports_itself_by_way_of_others() -> None:
    needs: dict[str, set[str]] = {name: set() for name in ROOMS}
    for path, module, _ in USES:
        needs[room(path)].add(module.split(".")[0])
    while needs:
        free = {name for name, others in needs.items() if not others & needs.keys()}
        assert free, f"a circle among {sorted(needs)}"
        needs = {name: others for name, others in needs.items() if name not in free}


def test_rooms_are_entered_through_their_doors() -> None:
    past = [
        f"{path.relative_to(SOURCE)} takes {name} from {module}"
        for path, module, name in USES
        if "." in module or (module in FOLDERS and name and name not in open_at(module))
    ]
    assert not past


def open_at(name: str) -> set[str]:
    """What a door lets through."""
    tree = ast.parse((SOURCE / name / "__init__.py").read_text())
    for node in tree.body:
        if isinstance(node, ast.Assign) and node.targets[0].id == "__all__":
            return set(ast.literal_eval(node.value))
    return set()


@pytest.mark.parametrize("name", sorted(FOLDERS))
def test_a_door_opens_what_others_need_and_says_what_the_room_is_for(name: str) -> None:
    public = {
        taken for path in (REPOSITORY / "src").rglob("__init__.py") for _, taken in imported(path)
    }
    needed = {taken for _, module, taken in USES if module == name} | public
    # Methods are reached as attributes of their room.
    unused = set() if name == "difference" else open_at(name) - needed
    assert not unused
    text = ast.get_docstring(ast.parse((SOURCE / name / "__init__.py").read_text())) or ""
    assert re.search(r"^In: .+^Out: ", text, re.DOTALL | re.MULTILINE), text


def test_rooms_and_files_are_small() -> None:
    assert sum(1 for path in SOURCE.glob("*.py")) <= TOP
    crowded = {name for name in FOLDERS if sum(1 for _ in (SOURCE / name).glob("*.py")) > FILES + 1}
    assert not crowded
    long = {path.name: n for path in MODULES if (n := len(path.read_text().splitlines())) > LINES}
    assert not long


def test_the_picture_of_the_rooms_is_that_of_the_imports() -> None:
    """The table of layers and the arrows of docs/architecture.md."""
    text = PLAN.read_text(encoding="utf-8")
    drawn = [
        set(re.findall(r"`(\w+)`", line.split("|")[2]))
        for line in text.splitlines()
        if re.match(r"\| [1-7] \|", line)
    ]
    assert drawn == LAYERS[::-1]
    arrows = set(re.findall(r"^ +(\w+) --> (\w+)$", text, re.MULTILINE))
    ground = {"errors", "stages", "storage"}
    needs: dict[str, set[str]] = {name: set() for name in ROOMS}
    for path, module, _ in USES:
        needs[room(path)] |= {module.split(".")[0]} - ground

    def below(name: str) -> set[str]:
        return needs[name].union(*(below(other) for other in needs[name]))

    assert arrows == {
        (name, other)
        for name, others in needs.items()
        for other in others
        if not any(other in below(between) for between in others)
    }


@pytest.mark.parametrize("package", OWNERS)
def test_a_package_is_known_to_its_owners_only(package: str) -> None:
    users = {
        room(path)
        for path in MODULES
        if any(module.split(".")[0] == package for module, _ in imported(path))
    }
    assert users <= OWNERS[package]


@pytest.mark.parametrize("name", sorted(FOLDERS))
def test_tests_mirror_the_rooms(name: str) -> None:
    strays = {
        path.name
        for path in (REPOSITORY / "tests" / name).glob("test_*.py")
        if not (SOURCE / name / path.name.removeprefix("test_")).is_file()
    }
    assert strays <= {"test_axioms.py", "test_cli.py"}


def test_the_door_of_the_house_is_small() -> None:
    import metriccd

    assert len(metriccd.__all__) <= 12
