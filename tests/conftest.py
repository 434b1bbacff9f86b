"""Shared fixtures: shapes are enforced here, and real data is found or its absence explained."""

from __future__ import annotations

import os
import signal

# A shell that begins a suite in the background has it ignore interrupts, and so all its commands.
signal.signal(signal.SIGINT, signal.default_int_handler)
# Two threads that wait for each other are slower than one on the small arrays of the tests.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from pathlib import Path

import pytest
from jaxtyping import install_import_hook

# Every jaxtyping annotation in the package is checked on every call, under tests only.
_hook = install_import_hook("metriccd", "typechecker.check")

REPOSITORY = Path(__file__).resolve().parents[1]


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
