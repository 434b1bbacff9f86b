"""What a run's record says about inputs and software."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import nn

from metriccd.decision import Cleaning, Scale, Verdict
from metriccd.errors import WeightsError
from metriccd.nets import WEIGHTS, installed
from metriccd.pair import ImagePair
from metriccd.raster import Band, Raster, Shapes
from metriccd.stages import Stages

LIBRARIES = ("metriccd", "torch", "numpy", "scipy", "scikit-image", "rasterio", "geopandas")

# Rooms, and files of rooms, that have no part in a result.
SHOWING = (
    *("cli/", "demo/", "gis/", "series/"),
    *("result/report.py", "result/pictures.py", "result/panels.py"),
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


def decision_record(
    scale: Scale, verdict: Verdict, cleaning: Cleaning, least: int
) -> dict[str, Any]:
    """What a record says of a decision, so that another one can be made of the same score.

    Args:
        scale: What the score is.
        verdict: The threshold on it.
        cleaning: What was asked to happen to the map.
        least: Pixels of the smallest object that was kept.
    """
    return {
        "score": scale.record(),
        "threshold": {
            "value": verdict.threshold,
            "rule": verdict.rule,
            # Of a number nobody knows what it was chosen with.
            "label_free": verdict.rule != "fixed",
            "level": verdict.level,
            "warnings": list(verdict.warnings),
        },
        "cleaning": cleaning.record() | {"least_pixels": least},
    }


def inputs_of(pair: ImagePair, stages: Stages) -> dict[str, Any]:
    """What was read, with checksums, and when the images were taken."""
    inputs = []
    with stages.stage("checksums", 2 + len(pair.masks)) as advance:
        for source in (pair.t1, pair.t2, *(mask.source for mask in pair.masks)):
            inputs.append(input_of(source))
            advance(1)
    dates = [None if date is None else date.as_record() for date in pair.dates]
    return {
        "inputs": {"t1": inputs[0], "t2": inputs[1]},
        "masks": inputs[2:],
        "dates": {"t1": dates[0], "t2": dates[1]},
    }


def key_of(settings: Mapping[str, Any], pair: ImagePair, extractor: str | nn.Module) -> str:
    """What a run must have in common with an interrupted one to go on with it."""
    # Sums are rounded otherwise by another number of threads.
    software = (versions(), code_digest(), torch.get_num_threads())
    images = [(content_of(raster), _bands_of(raster)) for raster in (pair.t1, pair.t2)]
    masks = [
        (
            content_of(mask.source),
            _bands_of(mask.source),
            mask.classes,
            mask.outside,
            mask.dilation,
            mask.date,
        )
        for mask in pair.masks
    ]
    key = (dict(settings), str(pair.grid), images, masks, state_of(extractor), *software)
    return hashlib.sha256(repr(key).encode()).hexdigest()


def _bands_of(source: Raster | Shapes) -> tuple[Band, ...]:
    """Bands without the names that arrays are given anew each time."""
    if isinstance(source, Shapes):
        return ()
    if source.memory is None:
        return source.bands
    return tuple(replace(band, path="") for band in source.bands)


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
