"""SeCo's published checkpoints: Lightning pickles, of which tensors are taken and nothing runs."""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor

from metriccd.errors import WeightsError, one_line
from metriccd.nets import weights_folder
from metriccd.storage import whole_file
from metriccd.supervised.pickles import RefusedError, Stored, read_pickle
from metriccd.supervised.siamese import ResNet18

NAME = "seco"
METADATA = "metriccd seco"
# Where SeCo's encoder is, as the children of a ResNet are numbered in a sequence.
CHILDREN = {0: "conv1", 1: "bn1", 4: "layer1", 5: "layer2", 6: "layer3", 7: "layer4"}
ENCODER = re.compile(r"^encoder_q\.(\d+)\.(.+)$")
# Bytes of the pickle itself, some hundred thousand as published, and of one storage: 47 MB are the
# largest that ResNet-18 needs.
MOST_PICKLE, MOST_STORAGE = 2**20, 2**28
_UNREADABLE = (
    *(OSError, ValueError, TypeError, KeyError, IndexError, AttributeError, EOFError),
    *(zipfile.BadZipFile, zlib.error, RuntimeError, OverflowError, MemoryError),
    NotImplementedError,
)


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
        tree = read_pickle(archive.read(entry))
        folder = entry.removesuffix("data.pkl")
        named = _renamed(tree["state_dict"])
        expected = ResNet18().state_dict()
        missing = expected.keys() - named.keys()
        if missing:
            raise ValueError(f"no encoder_q with {min(missing)}")
        return {
            name: _read(archive, folder, name, named[name], own) for name, own in expected.items()
        }


def _renamed(state: Mapping[Any, Any]) -> dict[str, Stored]:
    found = {}
    for name, value in state.items():
        place = ENCODER.match(name) if isinstance(name, str) else None
        if place and int(place[1]) in CHILDREN and isinstance(value, Stored):
            found[f"{CHILDREN[int(place[1])]}.{place[2]}"] = value
    return found


def _read(archive: zipfile.ZipFile, folder: str, name: str, stored: Stored, own: Tensor) -> Tensor:
    """A tensor as large as our own, of its kind of numbers."""
    if stored.shape != own.shape:
        raise ValueError(f"{name} has shape {stored.shape}, not {tuple(own.shape)}")
    entry = archive.getinfo(f"{folder}data/{stored.key}")
    if entry.file_size > MOST_STORAGE:
        raise ValueError(f"{name} holds {entry.file_size} bytes")
    start = stored.offset * stored.kind.itemsize
    numbers = np.frombuffer(archive.read(entry), stored.kind, own.numel(), start)
    tensor = torch.from_numpy(numbers.reshape(stored.shape).copy()).to(own.dtype)
    if not torch.isfinite(tensor).all():
        raise ValueError(f"{name} is not finite")
    if name.endswith("running_var") and (tensor < 0).any():
        raise ValueError(f"{name} is negative")
    return tensor
