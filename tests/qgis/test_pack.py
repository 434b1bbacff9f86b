"""The zip that QGIS installs."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from configparser import ConfigParser
from pathlib import Path
from xml.etree import ElementTree
from zipfile import ZipFile

import pytest
from pack import PLUGIN, pack

REPOSITORY = Path(__file__).resolve().parents[2]


def test_the_zip_holds_the_plugin_its_license_and_nothing_else(tmp_path: Path) -> None:
    script = [sys.executable, str(REPOSITORY / "qgis" / "pack.py"), str(tmp_path / "dist")]
    told = subprocess.run(script, capture_output=True, check=True, text=True, cwd=tmp_path).stdout
    packed = Path(told.strip())
    with ZipFile(packed) as archive:
        assert archive.testzip() is None
        names = {Path(name) for name in archive.namelist()}
        assert {name.parts[0] for name in names} == {PLUGIN.name}
        assert {"metadata.txt", "__init__.py", "icon.svg", "LICENSE"} <= {n.name for n in names}
        assert {name.suffix for name in names} == {".py", ".txt", ".svg", ""}
    assert pack(tmp_path / "again").read_bytes() == packed.read_bytes()


def test_the_plugin_says_of_itself_what_the_project_does() -> None:
    metadata = ConfigParser()
    metadata.read(PLUGIN / "metadata.txt", encoding="utf-8")
    told = metadata["general"]
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert told["version"] == project["version"]
    assert told["license"] == project["license"]
    assert told["hasProcessingProvider"] == "yes"
    assert ElementTree.parse(PLUGIN / told["icon"]).getroot().tag.endswith("svg")


@pytest.mark.parametrize("path", sorted(PLUGIN.glob("*.py")), ids=lambda path: path.name)
def test_every_file_is_of_the_python_of_the_oldest_qgis(path: Path) -> None:
    ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 9))
