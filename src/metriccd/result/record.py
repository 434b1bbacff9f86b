"""What a run's record says about inputs and software."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from metriccd.decision import Cleaning, Scale, Verdict
from metriccd.errors import WeightsError
from metriccd.nets import PACKAGED, WEIGHTS, installed, instructions, packaged
from metriccd.raster import Raster, Shapes

LIBRARIES = ("metriccd", "torch", "numpy", "scipy", "scikit-image", "rasterio", "geopandas")

# Rooms, and files of rooms, that have no part in a result.
SHOWING = (
    *("cli/", "demo/", "gis/", "report/", "review/", "series/", "view/"),
    *(
        "benchmark/leaderboard.py",
        "benchmark/survey.py",
        "benchmark/published.py",
        "benchmark/tables.py",
    ),
    "accuracy/curves.py",
)


def input_of(
    raster: Raster | Shapes, digests: Sequence[tuple[Path, str]] | None = None
) -> dict[str, Any]:
    """A raster's path and its files with their SHA-256.

    Args:
        raster: The raster, or polygons.
        digests: Its files and their checksums, if these are known.
    """
    if digests is None:
        digests = [(file, sha256_of(file)) for file in raster.files]
    files = [{"path": str(file), "sha256": digest} for file, digest in digests]
    found: dict[str, Any] = {"path": raster.label, "files": files}
    origin = None if isinstance(raster, Shapes) else raster.origin
    if origin is not None:
        when = None if origin.when is None else origin.when.isoformat()
        found["stac"] = {"href": origin.href, "id": origin.id, "datetime": when}
    return found


def decision_record(
    scale: Scale, verdict: Verdict, cleaning: Cleaning, least: int, *, supervised: bool = False
) -> dict[str, Any]:
    """What a record says of a decision, so that another one can be made of the same score.

    Args:
        scale: What the score is.
        verdict: The threshold on it.
        cleaning: What was asked to happen to the map.
        least: Pixels of the smallest object that was kept.
        supervised: Whether references of other places taught the method.
    """
    return {
        "score": scale.record(),
        "threshold": {
            "value": verdict.threshold,
            "rule": verdict.rule,
            # Of a number nobody knows what it was chosen with.
            "label_free": verdict.rule != "fixed" and not supervised,
            "level": verdict.level,
            "warnings": list(verdict.warnings),
        },
        "cleaning": cleaning.record() | {"least_pixels": least},
    }


@cache
def versions() -> Mapping[str, str]:
    """Versions of Python and of the libraries that decide a result."""
    return {"python": platform.python_version()} | {name: version(name) for name in LIBRARIES}


def weights_of(extractor: str) -> str:
    """What tells one extractor's weights from another's: the SHA-256 of their file.

    Raises:
        WeightsError: There is no such file.
    """
    if extractor == "embedded":
        return extractor
    path = weights_file(extractor)
    if path is None:
        raise WeightsError(f"weights must be at hand: no file of {extractor}; fetch or import them")
    return sha256_of(path)


def weights_file(extractor: str) -> Path | None:
    """The file of an extractor's weights; None where there is none, or they are the package's."""
    if extractor == PACKAGED:
        return packaged()
    path = installed(extractor) if extractor in WEIGHTS else Path(extractor)
    return path if path is not None and path.is_file() else None


def software(device: str) -> tuple[Any, ...]:
    """What must be the same for the same numbers: versions, sources, threads, and the processor.

    Sums are rounded otherwise by another number of threads, and by other instructions.
    """
    graphics = torch.cuda.get_device_name(device) if device.startswith("cuda") else ""
    return versions(), code_digest(), torch.get_num_threads(), instructions(), graphics


@cache
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


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's content."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
