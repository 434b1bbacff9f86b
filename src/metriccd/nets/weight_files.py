"""Weights files: safetensors and plain NumPy archives are read, a pickle never is."""

from __future__ import annotations

import hashlib
import json
import lzma
import math
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Shaped
from safetensors import SafetensorError, safe_open
from torch import Tensor

from metriccd.errors import WeightsError, one_line

METADATA = "metriccd"
# Bytes that a number may take in an archive, and what comes before the first one.
LARGEST, HEADER = 16, 65536


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
        numbers = (self.scale, *self.mean, *self.std)
        if len(self.mean) != 3 or len(self.std) != 3 or not all(map(math.isfinite, numbers)):
            raise ValueError(
                "scale, mean and std must be one and twice three finite numbers: got "
                f"{self.scale!r}, {self.mean!r}, {self.std!r}"
            )
        if 0 in self.std:
            raise ValueError(f"std must not be 0: got {self.std!r}")


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
        reason = one_line(str(error), 200)
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


_UNREADABLE = (
    *(OSError, ValueError, TypeError, KeyError, EOFError),
    *(SafetensorError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, tokenize.TokenError),
    # Of zipfile, for an archive that is encrypted or packed in an unknown way; of nested JSON.
    *(RuntimeError, RecursionError),
)
"""What broken, foreign or pickled content makes the readers raise."""

_Stored = tuple[dict[str, Tensor], Preprocessing, str]
"""Tensors by Oxford name, what they expect of their input, checksum of their source."""


def _read_npz(path: Path) -> _Stored:
    shapes = {name: shape for each in VGG16_CONVOLUTIONS for name, shape in each.shapes().items()}
    with np.load(path, allow_pickle=False) as archive:
        names = shapes.keys() & set(archive.files)
        for name in names:
            # What is packed may be a thousand times what the file takes.
            held = archive.zip.getinfo(f"{name}.npy").file_size
            if held > math.prod(shapes[name]) * LARGEST + HEADER:
                raise ValueError(f"{name} holds {held} bytes")
        tensors = {name: torch.from_numpy(_numbers(archive[name])).float() for name in names}
    return tensors, IMAGENET_BGR, _sha256(path)


def _numbers(member: Any) -> Shaped[np.ndarray, ...]:
    """An array, if it holds numbers: torch would take the real part of others, or fail.

    Raises:
        TypeError: It does not, or is no array: NumPy gives the bytes of what it does not know.
    """
    kind = member.dtype if isinstance(member, np.ndarray) else type(member)
    if not (isinstance(kind, np.dtype) and kind.kind in "fiu"):
        raise TypeError(f"weights are numbers, not {kind}")
    return np.asarray(member, np.float32)


def _read_safetensors(path: Path) -> _Stored:
    with safe_open(path, framework="pt") as file:
        metadata = json.loads((file.metadata() or {}).get(METADATA, "null"))
        names = _torchvision_names()
        if metadata:
            names = {name: name for name in names.values()}
        tensors = {
            # a copy: the file stays mapped into memory otherwise
            names[key]: file.get_tensor(key).to(torch.float32, copy=True)
            for key in names.keys() & set(file.keys())
        }
    if metadata:
        fields = metadata["preprocessing"]
        fields |= {"mean": tuple(fields["mean"]), "std": tuple(fields["std"])}
        return tensors, Preprocessing(**fields), metadata["source_sha256"]
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
