"""Shared fixtures: shapes are enforced here, and real data is found or its absence explained."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable
from typing import Any

# Two threads that wait for each other are slower than one on the small arrays of the tests.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from pathlib import Path

import pytest
from jaxtyping import install_import_hook

# A shell that begins a suite in the background has it ignore interrupts, and so all its commands.
signal.signal(signal.SIGINT, signal.default_int_handler)
# Every jaxtyping annotation in the package is checked on every call, under tests only.
_hook = install_import_hook("metriccd", "typechecker.check")

REPOSITORY = Path(__file__).resolve().parents[1]
# QGIS comes with the Python of the system.
SYSTEM_PYTHON = "/usr/bin/python3"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """A process more than there are cores: many tests wait for time to pass."""
    return (os.cpu_count() or 1) + 1


def _shared(variable: str, folder: str) -> Path:
    root = Path(os.environ.get(variable, REPOSITORY.parent / "shared" / folder))
    if not root.is_dir():
        pytest.skip(f"real data not found at {root}: set {variable} to the folder that holds it")
    return root


@pytest.fixture(scope="session")
def data() -> Path:
    """Folder of real image pairs (`METRICCD_DATA`, default `../shared/data`)."""
    return _shared("METRICCD_DATA", "data")


@pytest.fixture(scope="session")
def checkpoint_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str | None]:
    """A checkpoint of three bands for a supervised method, untrained; None for all others."""
    from metriccd.supervised.checkpoint import TAUGHT, About, Checkpoint, network_for

    folder = tmp_path_factory.mktemp("checkpoints")

    def made(method: str) -> str | None:
        import torch

        if method not in TAUGHT:
            return None
        path = folder / f"{method}.safetensors"
        if not path.exists():
            torch.manual_seed(0)
            about = About(
                method=method,
                bands=("1", "2", "3"),
                ranges=() if method == "unet" else ((0.0, 10_000.0),) * 3,
                dataset="made",
                places=("a", "b"),
                data="0",
            )
            network = network_for(method, 3)
            Checkpoint(about=about, network=network.eval()).save(path)
        return str(path)

    return made


@pytest.fixture(scope="session")
def gpu() -> str:
    """A device of CUDA."""
    import torch

    if not torch.cuda.is_available():
        pytest.skip("needs a GPU")
    return "cuda"


@pytest.fixture(scope="session")
def weights() -> Path:
    """Folder of VGG-16 weights (`METRICCD_WEIGHTS`, default `../shared/weights`)."""
    return _shared("METRICCD_WEIGHTS", "weights")


@pytest.fixture(scope="session")
def around_qgis(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which QGIS runs without a screen, with settings of its own."""
    probe = [SYSTEM_PYTHON, "-c", "import qgis.core"]
    there = Path(SYSTEM_PYTHON).is_file()
    if not there or subprocess.run(probe, capture_output=True, check=False).returncode:
        if os.environ.get("CI") == "true":
            pytest.fail("CI must have QGIS: .ci/run installs it")
        pytest.skip("needs QGIS with its Python: apt-get install qgis")
    home = str(tmp_path_factory.mktemp("home"))
    around = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return around | {"QT_QPA_PLATFORM": "offscreen", "HOME": home, "XDG_RUNTIME_DIR": home}


@pytest.fixture(scope="session")
def qgis(around_qgis: dict[str, str]) -> Callable[..., Any]:
    """Runs a script with the Python of QGIS and returns the JSON it prints."""

    def run(script: Path, *words: object, given: object = None) -> Any:
        done = subprocess.run(
            [SYSTEM_PYTHON, str(script), *map(str, words)],
            input=json.dumps(given),
            env=around_qgis,
            capture_output=True,
            check=False,
            text=True,
            timeout=900,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run
