"""What a run's record says about inputs and software."""

from __future__ import annotations

import hashlib
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

from metriccd.raster import Raster

LIBRARIES = ("metriccd", "torch", "numpy", "scipy", "scikit-image", "rasterio", "geopandas")


def input_of(raster: Raster) -> dict[str, Any]:
    """A raster's path and its files with their SHA-256."""
    files = [{"path": str(file), "sha256": _sha256(file)} for file in raster.files]
    return {"path": raster.label, "files": files}


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that decide a result."""
    return {"python": platform.python_version()} | {name: version(name) for name in LIBRARIES}


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
