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
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from http.client import HTTPException
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np
import platformdirs
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from metriccd.errors import WeightsError

_METADATA = "metriccd"


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """What a network expects of its input, given RGB values in [0, 1].

    Attributes:
        order: "rgb" or "bgr", the channel order of the input, and of `mean` and `std`.
        scale: factor on the values, before centering.
        mean: subtracted from each scaled channel.
        std: divides each centered channel.
    """

    order: str = "rgb"
    scale: float = 1.0
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)

    def __post_init__(self) -> None:
        if self.order not in ("rgb", "bgr"):
            raise ValueError(f"order must be 'rgb' or 'bgr': got {self.order!r}")


IMAGENET_RGB = Preprocessing()
"""ImageNet statistics of RGB in [0, 1]: torchvision's and timm's convention."""

IMAGENET_BGR = Preprocessing(
    order="bgr", scale=255.0, mean=(103.939, 116.779, 123.68), std=(1.0, 1.0, 1.0)
)
"""B, G, R in 0–255 minus the ImageNet mean: the convention of the original Oxford network."""


class Convolution(NamedTuple):
    """One 3×3 convolution of VGG-16.

    Attributes:
        level: 1 to 4; each works at half the resolution of the one before.
        name: as the Oxford network calls it: conv1_1 …
        place: in torchvision's and timm's `features`.
        inputs: input channels.
        outputs: output channels.
    """

    level: int
    name: str
    place: int
    inputs: int
    outputs: int

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Tensor names and shapes: kernel (out, in, row, col) and bias (out)."""
        kernel = (self.outputs, self.inputs, 3, 3)
        return {f"{self.name}.weight": kernel, f"{self.name}.bias": (self.outputs,)}


VGG16_CONVOLUTIONS = (
    Convolution(1, "conv1_1", 0, 3, 64),
    Convolution(1, "conv1_2", 2, 64, 64),
    Convolution(2, "conv2_1", 5, 64, 128),
    Convolution(2, "conv2_2", 7, 128, 128),
    Convolution(3, "conv3_1", 10, 128, 256),
    Convolution(3, "conv3_2", 12, 256, 256),
    Convolution(3, "conv3_3", 14, 256, 256),
    Convolution(4, "conv4_1", 17, 256, 512),
    Convolution(4, "conv4_2", 19, 512, 512),
    Convolution(4, "conv4_3", 21, 512, 512),
)
"""The convolutions of levels 1 to 4, in order (Simonyan & Zisserman 2015, configuration D)."""


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


@dataclass(frozen=True, kw_only=True)
class Weights:
    """VGG-16 weights in memory.

    Attributes:
        tensors: `conv1_1.weight` (out, in, row, col), `conv1_1.bias` (out) …, float32.
        preprocessing: what they expect of their input.
        levels: feature levels they serve: (1,), (1, 2) …
        source_sha256: checksum of the file they came from in the first place.
    """

    tensors: Mapping[str, Tensor]
    preprocessing: Preprocessing
    levels: tuple[int, ...]
    source_sha256: str


def folder() -> Path:
    """Where weights are kept: `METRICCD_WEIGHTS`, else the user's cache folder."""
    chosen = os.environ.get("METRICCD_WEIGHTS")
    return Path(chosen) if chosen else Path(platformdirs.user_cache_dir("metriccd")) / "weights"


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
            f"run 'metriccd weights fetch {name}' or 'metriccd weights import {name} FILE'"
        )
    return read(path)


def read(path: Path) -> Weights:
    """Read VGG-16 weights from a safetensors file or a NumPy archive.

    Understood are the files this module writes; safetensors with torchvision's and timm's names
    (`features.0.weight` …: RGB, ImageNet statistics); and `.npz` archives with the Oxford names
    (`conv1_1.weight` …: B, G, R in 0–255 minus the mean). Other tensors are left out.

    Raises:
        WeightsError: not such a file, an unexpected shape or value, or no complete level 1.
    """
    if not path.is_file():
        raise WeightsError(f"a weights file must exist: got {path}; check the path")
    if path.suffix not in _READERS:
        raise WeightsError(
            f"weights must be .safetensors or .npz: got {path.name}; a pickled checkpoint could "
            "run code and is never loaded: convert it with safetensors.torch.save_file"
        )
    try:
        tensors, preprocessing, source = _READERS[path.suffix](path)
    except _UNREADABLE as error:
        reason = " ".join(str(error).split())
        raise WeightsError(
            f"a weights file must be readable: got {path.name} ({reason}); "
            "fetch or convert it again"
        ) from error
    return Weights(
        tensors=tensors,
        preprocessing=preprocessing,
        levels=_complete_levels(path, tensors),
        source_sha256=source,
    )


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
        raise WeightsError(f"weights must be one of {', '.join(WEIGHTS)}: got {name!r}")
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
    done = 0
    try:
        with urllib.request.urlopen(entry.url, timeout=30) as reply, target.open("wb") as file:
            total = int(reply.headers.get("Content-Length", 0))
            while block := reply.read(2**20):
                file.write(block)
                checksum.update(block)
                done += len(block)
                if progress:
                    progress(done, total)
    except (OSError, HTTPException) as error:
        raise WeightsError(
            f"weights {entry.name!r} must be downloadable: got {error} from {entry.url}; "
            f"try again, or download by hand and run 'metriccd weights import {entry.name} FILE'"
        ) from error
    if checksum.hexdigest() != entry.sha256:
        raise WeightsError(
            f"the download must have SHA-256 {entry.sha256}: got {checksum.hexdigest()} "
            f"({done} of {total} bytes from {entry.url}); try again"
        )


def _install(entry: WeightsEntry, weights: Weights, workspace: Path) -> Path:
    metadata = {
        "name": entry.name,
        "levels": weights.levels,
        "preprocessing": asdict(weights.preprocessing),
        "source_sha256": weights.source_sha256,
        "licence": entry.licence,
    }
    whole = workspace / "whole.safetensors"
    save_file(dict(weights.tensors), whole, metadata={_METADATA: json.dumps(metadata)})
    return whole.replace(folder() / f"{entry.name}.safetensors")


_UNREADABLE = (
    *(OSError, ValueError, TypeError, KeyError, EOFError),
    *(SafetensorError, zipfile.BadZipFile, zlib.error),
)
"""What broken, foreign or pickled content makes the readers raise."""


_Stored = tuple[dict[str, Tensor], Preprocessing, str]
"""Tensors by Oxford name, what they expect of their input, checksum of their source."""


def _read_npz(path: Path) -> _Stored:
    with np.load(path, allow_pickle=False) as archive:
        names = set(_torchvision_names().values()) & set(archive.files)
        tensors = {name: torch.from_numpy(archive[name]).float() for name in names}
    return tensors, IMAGENET_BGR, _sha256(path)


def _read_safetensors(path: Path) -> _Stored:
    with safe_open(path, framework="pt") as file:
        ours = json.loads((file.metadata() or {}).get(_METADATA, "null"))
        names = _torchvision_names()
        if ours:
            names = {name: name for name in names.values()}
        tensors = {
            # a copy: the file stays mapped into memory otherwise
            names[stored]: file.get_tensor(stored).to(torch.float32, copy=True)
            for stored in names.keys() & set(file.keys())
        }
    if ours:
        fields = ours["preprocessing"]
        fields |= {"mean": tuple(fields["mean"]), "std": tuple(fields["std"])}
        return tensors, Preprocessing(**fields), ours["source_sha256"]
    return tensors, IMAGENET_RGB, _sha256(path)


_READERS: dict[str, Callable[[Path], _Stored]] = {
    ".npz": _read_npz,
    ".safetensors": _read_safetensors,
}


def _torchvision_names() -> dict[str, str]:
    """Torchvision's and timm's names of the tensors of levels 1 to 4 → the Oxford names."""
    return {
        f"features.{convolution.place}.{kind}": f"{convolution.name}.{kind}"
        for convolution in VGG16_CONVOLUTIONS
        for kind in ("weight", "bias")
    }


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _complete_levels(path: Path, tensors: Mapping[str, Tensor]) -> tuple[int, ...]:
    """The levels that are there in full, after checking the shapes and values of their tensors."""
    levels: list[int] = []
    for level, group in groupby(VGG16_CONVOLUTIONS, key=lambda convolution: convolution.level):
        shapes = {name: shape for member in group for name, shape in member.shapes().items()}
        if not shapes.keys() <= tensors.keys():
            break
        for name, shape in shapes.items():
            _check(path, name, tensors[name], shape)
        levels.append(level)
    if not levels:
        raise WeightsError(
            f"a weights file must hold VGG-16's first two convolutions: got {path.name} with "
            "neither conv1_1, conv1_2 (.npz) nor features.0, features.2 (.safetensors)"
        )
    return tuple(levels)


def _check(path: Path, name: str, tensor: Tensor, shape: tuple[int, ...]) -> None:
    if tuple(tensor.shape) != shape:
        raise WeightsError(
            f"{name} must have shape {shape}: got {tuple(tensor.shape)} in {path.name}; "
            "only VGG-16 without batch normalization fits"
        )
    if not torch.isfinite(tensor).all():
        raise WeightsError(
            f"weights must be finite: got NaN or infinity in {name} of {path.name}; "
            "fetch or convert the file again"
        )
