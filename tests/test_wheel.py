"""What is published: built, checked, and used where the repository is not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
SOURCE = REPOSITORY / "src" / "metriccd"

pytestmark = pytest.mark.slow


def run(*command: str | Path, cwd: Path) -> str:
    """What a program prints, outside of the repository and of what the tests import."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source archive, and the wheel that was built from it."""
    out = tmp_path_factory.mktemp("dist")
    build = (sys.executable, "-m", "build", "--no-isolation", "--outdir", out)
    run(*build, REPOSITORY, cwd=out)
    return out


@pytest.fixture(scope="module")
def python(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel; dependencies are those of this one."""
    folder = tmp_path_factory.mktemp("env")
    run(sys.executable, "-m", "venv", "--without-pip", folder / "env", cwd=folder)
    found = folder / "env" / "bin" / "python"
    (wheel,) = dist.glob("*.whl")
    pip = (sys.executable, "-m", "pip", "--python", found, "install", "--quiet", "--no-deps")
    run(*pip, "--no-index", wheel, cwd=folder)
    (packages,) = (folder / "env" / "lib").glob("python*/site-packages")
    # Paths in such a file are searched, but the files of this kind in them are not read: an
    # editable install of the repository stays unseen.
    others = [path for path in sys.path if path.endswith("site-packages")]
    (packages / "dependencies.pth").write_text("\n".join(others))
    return found


def test_both_archives_hold_every_file_of_the_package(dist: Path) -> None:
    files = {
        str(path.relative_to(SOURCE.parent))
        for path in SOURCE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {Path(name).suffix for name in files} >= {".safetensors", ".jinja", ".html", ".toml"}
    (wheel,), (archive,) = dist.glob("*.whl"), dist.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as opened:
        assert {name for name in opened.namelist() if ".dist-info/" not in name} == files
    with tarfile.open(archive) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
    assert {f"src/{name}" for name in files} <= names
    assert {"README.md", "CHANGELOG.md", "LICENSE", "tests/test_wheel.py"} <= names


def test_the_page_on_pypi_can_be_rendered(dist: Path) -> None:
    run(sys.executable, "-m", "twine", "check", "--strict", *dist.iterdir(), cwd=dist)


def test_the_wheel_works_where_the_repository_is_not(python: Path, tmp_path: Path) -> None:
    where = run(python, "-c", "import metriccd; print(metriccd.__file__)", cwd=tmp_path)
    assert Path(where.strip()).is_relative_to(python.parents[1])
    command = python.with_name("metriccd")
    assert json.loads(run(command, "demo", "--size", "128", "--json", cwd=tmp_path))
    out = tmp_path / "again"
    told = run(
        command, "detect", "demo/before.tif", "demo/after.tif", "-o", out, "--json", cwd=tmp_path
    )
    assert json.loads(told)["objects"] > 0
    assert "<html" in (out / "report.html").read_text(encoding="utf-8")
    assert "commands" in run(command, "--help", cwd=tmp_path).lower()
