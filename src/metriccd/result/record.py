"""What a run's record says about inputs and software."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from torch import nn

from metriccd.errors import WeightsError
from metriccd.nets import WEIGHTS, installed
from metriccd.pair import Mask
from metriccd.raster import Raster, Shapes
from metriccd.stages import Stages

LIBRARIES = ("metriccd", "torch", "numpy", "scipy", "scikit-image", "rasterio", "geopandas")

# Rooms, and files of rooms, that have no part in a result.
SHOWING = (
    *("cli/", "demo/"),
    *("result/report.py", "result/pictures.py", "result/panels.py", "result/style.py"),
    *(
        "benchmark/leaderboard.py",
        "benchmark/survey.py",
        "benchmark/published.py",
        "benchmark/tables.py",
    ),
    "accuracy/curves.py",
)


def input_of(raster: Raster | Shapes) -> dict[str, Any]:
    """A raster's path and its files with their SHA-256."""
    files = [{"path": str(file), "sha256": _sha256(file)} for file in raster.files]
    found: dict[str, Any] = {"path": raster.label, "files": files}
    origin = None if isinstance(raster, Shapes) else raster.origin
    if origin is not None:
        when = None if origin.when is None else origin.when.isoformat()
        found["stac"] = {"href": origin.href, "id": origin.id, "datetime": when}
    return found


def inputs_of(t1: Raster, t2: Raster, masks: Sequence[Mask], stages: Stages) -> dict[str, Any]:
    """What was read, with checksums."""
    inputs = []
    with stages.stage("checksums", 2 + len(masks)) as advance:
        for source in (t1, t2, *(mask.source for mask in masks)):
            inputs.append(input_of(source))
            advance(1)
    return {"inputs": {"t1": inputs[0], "t2": inputs[1]}, "masks": inputs[2:]}


def content_of(raster: Raster | Shapes) -> list[tuple[str, ...]]:
    """What tells a raster's content from another's at once: dates of files, or an array itself."""
    if isinstance(raster, Shapes):
        stored = (raster.label, hashlib.sha256(raster.wkb()).hexdigest())
        return [stored]
    if raster.memory is not None:
        return [(hashlib.sha256(raster.memory.getbuffer()).hexdigest(),)]
    if raster.origin is not None and not raster.files:
        return [(band.path, str(band.index)) for band in raster.bands]
    stats = [(file, file.stat()) for file in raster.files]
    return [(str(file), str(stat.st_size), str(stat.st_mtime_ns)) for file, stat in stats]


def state_of(extractor: str | nn.Module) -> str:
    """What tells the weights of one extractor from another's at once."""
    if isinstance(extractor, nn.Module):
        digest = hashlib.sha256()
        for name, value in extractor.state_dict().items():
            digest.update(name.encode() + value.cpu().numpy().tobytes())
        return digest.hexdigest()
    path = Path(extractor)
    return f"{extractor} {path.stat().st_mtime_ns if path.is_file() else ''}"


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that decide a result."""
    return {"python": platform.python_version()} | {name: version(name) for name in LIBRARIES}


def weights_of(extractor: str) -> str:
    """What tells one extractor's weights from another's: the SHA-256 of their file.

    Raises:
        WeightsError: There is no such file.
    """
    if extractor == "embedded":
        return extractor
    path = installed(extractor) if extractor in WEIGHTS else Path(extractor)
    if path is None or not path.is_file():
        raise WeightsError(f"weights must be at hand: no file of {extractor}; fetch or import them")
    return _sha256(path)


def code_digest() -> str:
    """SHA-256 of this package's sources but those that only show results.

    The version does not change while someone works on the package; this does.
    """
    root = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        name = path.relative_to(root).as_posix()
        if not name.startswith(SHOWING):
            digest.update(name.encode() + path.read_bytes())
    return digest.hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
