"""Weights of the feature extractors: one table, a checked download, an import, one reader.

Only safetensors files and plain NumPy archives are ever read, so loading cannot run code: a
pickled checkpoint (`.pth`, `.pt`, `.pkl`) is refused.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from http.client import HTTPException
from pathlib import Path

import platformdirs
from safetensors import SafetensorError
from safetensors.torch import save_file

from metriccd.errors import WeightsError, choices
from metriccd.nets.weight_files import IMAGENET_RGB, METADATA, Preprocessing, Weights, read


@dataclass(frozen=True, kw_only=True)
class WeightsEntry:
    """One row of the weights table.

    Attributes:
        name: what `--extractor` and `metriccd weights` call it.
        url: where `fetch` downloads it: a safetensors file.
        sha256: checksum of the file at `url`, verified before anything reads it.
        licence: terms of the weights.
        preprocessing: what the network expects of its input.
        levels: feature levels the file at `url` holds.
        note: one sentence for people choosing.
        also: further file names looked for in the weights folder, as they are.
    """

    name: str
    url: str
    sha256: str
    licence: str
    preprocessing: Preprocessing
    levels: tuple[int, ...]
    note: str
    also: tuple[str, ...] = ()


WEIGHTS: dict[str, WeightsEntry] = {
    "vgg16": WeightsEntry(
        name="vgg16",
        url=(
            "https://huggingface.co/timm/vgg16.tv_in1k/resolve/"
            "3394518cba29aee1ea82a49d971be90d2dd1dab7/model.safetensors"
        ),
        sha256="57b026918159a6bf9faf8405c3a551903768e7138989d9c6224a14227203fad8",
        licence="BSD-3-Clause (torchvision); the Oxford originals are CC BY 4.0",
        preprocessing=IMAGENET_RGB,
        levels=(1, 2, 3, 4),
        note="VGG-16 trained on ImageNet, torchvision's weights: the paper's extractor (553 MB).",
        also=("vgg16-imagenet-block1-2.npz",),
    ),
}
"""Every set of weights that can be fetched or imported by name."""


def folder() -> Path:
    """Where weights are kept: `METRICCD_WEIGHTS`, else the user's cache folder."""
    path = os.environ.get("METRICCD_WEIGHTS")
    return Path(path) if path else Path(platformdirs.user_cache_dir("metriccd")) / "weights"


def installed(name: str) -> Path | None:
    """The file that `load(name)` would read, or None if there is none yet.

    Raises:
        WeightsError: no such row in `WEIGHTS`.
    """
    entry = _entry(name)
    candidates = (folder() / file for file in (f"{name}.safetensors", *entry.also))
    return next((path for path in candidates if path.is_file()), None)


def load(name: str) -> Weights:
    """Read the weights called `name` from the weights folder.

    Raises:
        WeightsError: they are not there, or their file is not what it should be.
    """
    path = installed(name)
    if path is None:
        raise WeightsError(
            f"weights {name!r} must be fetched or imported first: none in {folder()}; "
            f"run 'metriccd weights fetch {name}' or 'metriccd weights import {name} FILE', or set "
            "METRICCD_WEIGHTS to the folder that has them"
        )
    return read(path)


def import_file(name: str, path: Path) -> Path:
    """Copy a weights file into the weights folder, converted to safetensors.

    Args:
        name: a row of `WEIGHTS`.
        path: a file that `read` understands.

    Returns:
        The file written; it replaces an earlier one of that name only once it is whole.

    Raises:
        WeightsError: an unknown name, an unreadable file, or a folder that cannot be written.
    """
    entry = _entry(name)
    weights = read(path)
    with _workspace() as workspace:
        return _install(entry, weights, workspace)


def fetch(name: str, progress: Callable[[int, int], None] | None = None) -> Path:
    """Download weights, verify their checksum, and keep levels 1 to 4 as safetensors.

    Args:
        name: a row of `WEIGHTS`.
        progress: called with the bytes received and the bytes expected (0 where unknown).

    Returns:
        The file written.

    Raises:
        WeightsError: an unknown name, a failed download, a wrong checksum, or a folder that
            cannot be written. Nothing is left behind.
    """
    entry = _entry(name)
    with _workspace() as workspace:
        download = workspace / "download.safetensors"
        _download(entry, download, progress)
        return _install(entry, read(download), workspace)


def _entry(name: str) -> WeightsEntry:
    if name not in WEIGHTS:
        raise WeightsError(f"no weights {name!r}: choose from {choices(name, WEIGHTS)}")
    return WEIGHTS[name]


@contextmanager
def _workspace() -> Iterator[Path]:
    """A temporary folder beside the target, so that the last step is an atomic rename."""
    try:
        folder().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder(), prefix=".incoming-") as workspace:
            yield Path(workspace)
    except (OSError, SafetensorError) as error:
        raise WeightsError(
            f"the weights folder must be writable: got {folder()} ({error}); "
            "set METRICCD_WEIGHTS to another folder"
        ) from error


def _download(
    entry: WeightsEntry, target: Path, progress: Callable[[int, int], None] | None
) -> None:
    """Stream the file to `target`; raise unless its checksum is the table's."""
    checksum = hashlib.sha256()
    received = 0
    try:
        with urllib.request.urlopen(entry.url, timeout=30) as reply, target.open("wb") as file:
            total = int(reply.headers.get("Content-Length", 0))
            while block := reply.read(2**20):
                file.write(block)
                checksum.update(block)
                received += len(block)
                if progress:
                    progress(received, total)
    except (OSError, HTTPException) as error:
        raise WeightsError(
            f"weights {entry.name!r} must be downloadable: got {error} from {entry.url}; "
            f"try again, or download by hand and run 'metriccd weights import {entry.name} FILE'"
        ) from error
    if checksum.hexdigest() != entry.sha256:
        raise WeightsError(
            f"the download must have SHA-256 {entry.sha256}: got {checksum.hexdigest()} "
            f"({received} of {total} bytes from {entry.url}); try again"
        )


def _install(entry: WeightsEntry, weights: Weights, workspace: Path) -> Path:
    metadata = {
        "name": entry.name,
        "levels": weights.levels,
        "preprocessing": asdict(weights.preprocessing),
        "source_sha256": weights.source_sha256,
        "licence": entry.licence,
    }
    path = workspace / "whole.safetensors"
    save_file(dict(weights.tensors), path, metadata={METADATA: json.dumps(metadata)})
    return path.replace(folder() / f"{entry.name}.safetensors")
