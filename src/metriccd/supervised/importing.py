"""SeCo's published checkpoints: Lightning pickles, of which tensors are taken and nothing runs.

A pickle may call whatever it names. This reader knows a few names, each as something of its own
that can do nothing but hold numbers, and refuses all others; it imports nothing that a file says.
"""

from __future__ import annotations

import hashlib
import json
import math
import pickle
import re
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor

from metriccd.errors import WeightsError, one_line
from metriccd.nets import weights_folder
from metriccd.storage import whole_file
from metriccd.supervised.siamese import ResNet18

NAME = "seco"
METADATA = "metriccd seco"
# Where SeCo's encoder is, as the children of a ResNet are numbered in a sequence.
CHILDREN = {0: "conv1", 1: "bn1", 4: "layer1", 5: "layer2", 6: "layer3", 7: "layer4"}
ENCODER = re.compile(r"^encoder_q\.(\d+)\.(.+)$")
# Storage as torch names it → what its bytes are.
STORAGES: Mapping[str, np.dtype[Any]] = {
    "FloatStorage": np.dtype("<f4"),
    "DoubleStorage": np.dtype("<f8"),
    "HalfStorage": np.dtype("<f2"),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
}
# Whatever of these a file holds beside its tensors (settings, callbacks) is left alone, unread.
IDLE = ("pytorch_lightning", "argparse", "pathlib")
# Bytes of the pickle itself, and of one storage: 47 MB are the largest that ResNet-18 needs.
MOST_PICKLE, MOST_STORAGE = 2**25, 2**28
_UNREADABLE = (
    *(OSError, ValueError, TypeError, KeyError, IndexError, AttributeError, EOFError),
    *(pickle.UnpicklingError, zipfile.BadZipFile, zlib.error, RecursionError, RuntimeError),
    *(MemoryError, NotImplementedError),
)


class RefusedError(Exception):
    """A pickle named what is none of its business."""


class _Inert:
    """Stands where a file wants an object of Lightning: takes anything, does nothing."""

    def __init__(self, *_arguments: Any, **_words: Any) -> None:
        pass

    def __setstate__(self, _state: Any) -> None:
        pass

    def __setitem__(self, _key: Any, _value: Any) -> None:
        pass

    def extend(self, _values: Any) -> None:
        """Takes what a list would."""

    def __hash__(self) -> int:
        return id(self)


class _Ordered(dict[Any, Any]):
    """An ordered dictionary without the attributes that modules give theirs."""

    def __setstate__(self, _state: Any) -> None:
        pass


@dataclass(frozen=True)
class _Stored:
    """A tensor that was not read yet.

    Attributes:
        key: Name of its storage in the archive.
        kind: Of its numbers.
        offset: Of the first one.
        shape: Of the tensor.
    """

    key: str
    kind: np.dtype[Any]
    offset: int
    shape: tuple[int, ...]

    def __setstate__(self, _state: Any) -> NoReturn:
        raise RefusedError("a state for a tensor")


class _Rebuild:
    """What torch calls to make a tensor of a storage."""

    __slots__ = ()

    def __call__(self, storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> _Stored:
        shape, steps = tuple(map(int, size)), tuple(map(int, stride))
        if not isinstance(storage, _Stored) or min((offset, *shape), default=0) < 0:
            raise ValueError("a tensor without a storage")
        whole = tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))
        # A step over an axis of one element leads nowhere.
        axes = zip(whole, steps, shape, strict=True)
        if any(own != step and side > 1 for own, step, side in axes):
            raise ValueError(f"a tensor with strides {steps}")
        return _Stored(storage.key, storage.kind, int(offset), shape)

    def __setstate__(self, _state: Any) -> NoReturn:
        raise RefusedError("a state for a function")


class _Unpickler(pickle.Unpickler):
    """Reads a tree of plain values and tensors."""

    def find_class(self, module: str, name: str) -> Any:
        """What a file may name, each as something of our own."""
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _Rebuild()
        if (module, name) == ("collections", "OrderedDict"):
            return _Ordered
        if module == "torch" and name in STORAGES:
            return name
        if module.partition(".")[0] in IDLE:
            return _Inert
        raise RefusedError(f"{module}.{name}")

    def persistent_load(self, pid: Any) -> Any:
        """A storage, by its name in the archive."""
        kind, storage, key, *_ = pid
        if kind != "storage" or not str(key).isalnum():
            raise ValueError(f"{kind!r} for a storage")
        return _Stored(str(key), STORAGES[storage], 0, ())


def import_seco(path: Path) -> Path:
    """Converts a published SeCo checkpoint once; from then on it is plain numbers.

    Args:
        path: A Lightning checkpoint in torch's archive format (1.6 or later).

    Returns:
        The safetensors file in the weights folder.

    Raises:
        WeightsError: No such file, no SeCo encoder in it, anything in it that is no number, or a
            folder that cannot be written.
    """
    if not path.is_file():
        raise WeightsError(f"a weights file must exist: got {path}; check the path")
    try:
        tensors = _encoder(path)
    except RefusedError as error:
        raise WeightsError(
            f"a checkpoint may hold tensors only: {path.name} names {one_line(str(error), 120)}, "
            "which could run; nothing was read; take the published file"
        ) from None
    except _UNREADABLE as error:
        raise WeightsError(
            "a SeCo checkpoint must be the archive of a ResNet-18 that torch wrote: got "
            f"{path.name} ({one_line(str(error), 160)}); take the published file"
        ) from error
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    target = weights_folder() / f"{NAME}.safetensors"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(target) as stream:
            told = {METADATA: json.dumps({"source_sha256": digest})}
            stream.write(save(tensors, metadata=told))
    except OSError as error:
        raise WeightsError(
            f"the weights folder must be writable: got {target.parent} ({error.strerror}); "
            "set METRICCD_WEIGHTS to another folder"
        ) from error
    return target


def installed_seco() -> Path | None:
    """The converted checkpoint; None where there is none yet."""
    path = weights_folder() / f"{NAME}.safetensors"
    return path if path.is_file() else None


def _encoder(path: Path) -> dict[str, Tensor]:
    """The tensors of SeCo's encoder under the names of a ResNet."""
    with zipfile.ZipFile(path) as archive:
        (entry,) = [name for name in archive.namelist() if re.fullmatch(r"[^/]+/data\.pkl", name)]
        if archive.getinfo(entry).file_size > MOST_PICKLE:
            raise ValueError(f"a pickle of {archive.getinfo(entry).file_size} bytes")
        with archive.open(entry) as stream:
            tree = _Unpickler(stream).load()
        folder = entry.removesuffix("data.pkl")
        named = _renamed(tree["state_dict"])
        expected = ResNet18().state_dict()
        missing = expected.keys() - named.keys()
        if missing:
            raise ValueError(f"no encoder_q with {min(missing)}")
        return {
            name: _read(archive, folder, name, named[name], tuple(own.shape)).to(own.dtype)
            for name, own in expected.items()
        }


def _renamed(state: Mapping[Any, Any]) -> dict[str, _Stored]:
    found = {}
    for name, value in state.items():
        place = ENCODER.match(name) if isinstance(name, str) else None
        if place and int(place[1]) in CHILDREN and isinstance(value, _Stored):
            found[f"{CHILDREN[int(place[1])]}.{place[2]}"] = value
    return found


def _read(
    archive: zipfile.ZipFile, folder: str, name: str, stored: _Stored, shape: tuple[int, ...]
) -> Tensor:
    if stored.shape != shape:
        raise ValueError(f"{name} has shape {stored.shape}, not {shape}")
    entry = archive.getinfo(f"{folder}data/{stored.key}")
    if entry.file_size > MOST_STORAGE:
        raise ValueError(f"{name} holds {entry.file_size} bytes")
    count = math.prod(shape)
    start = stored.offset * stored.kind.itemsize
    numbers = np.frombuffer(archive.read(entry), stored.kind, count, start)
    tensor = torch.from_numpy(numbers.reshape(shape).copy())
    if not torch.isfinite(tensor).all():
        raise ValueError(f"{name} is not finite")
    return tensor
