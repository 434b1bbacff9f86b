"""Objects in a file: numbers, text and arrays, and what is made of them; nothing that could run.

A pickle runs whatever its writer put in it. These files hold a tree in JSON and its arrays; classes
and functions occur in it by name only, and no others than those that `storable` marks.
"""

from __future__ import annotations

import json
import secrets
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeVar
from zipfile import BadZipFile

import numpy as np
import torch
from torch import Tensor, nn

Known = TypeVar("Known", bound=Callable[..., Any])
TREE = "tree"
# What comes of reading a spoiled file: RuntimeError of a tree that is too deep, or of a device.
UNREADABLE = (
    *(OSError, ValueError, LookupError, TypeError, AttributeError, RuntimeError),
    *(EOFError, BadZipFile, zlib.error),
)
_KNOWN: dict[str, Any] = {}


def storable(known: Known) -> Known:
    """Marks a dataclass, a named tuple or a function that a file may name."""
    _KNOWN[_name(known)] = known
    return known


def store(value: Any, path: Path) -> None:
    """Writes a value; the file appears whole or not at all.

    Args:
        value: Made of None, numbers, text, tuples, lists, mappings with text for keys, arrays,
            tensors, and what is marked as `storable`. Of a network only the place is kept.
        path: Where to; its folder exists.

    Raises:
        TypeError: The value holds something else.
    """
    arrays: dict[str, np.ndarray] = {}
    tree = json.dumps(_packed(value, arrays)).encode()
    arrays[TREE] = np.frombuffer(tree, np.uint8)
    with whole_file(path) as stream:
        np.savez(stream, **arrays)  # type: ignore[arg-type]  # NumPy calls all names arrays


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write that takes its name when the block ends well, whoever else writes it."""
    # Not of tempfile, whose files nobody else may read, whatever the user's mask says.
    partial = path.with_name(f".{path.name}-{secrets.token_hex(8)}")
    try:
        with partial.open("xb") as stream:
            yield stream
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def restored(path: Path, network: Callable[[], nn.Module] | None = None) -> Any:
    """The value that `store` wrote.

    Args:
        path: The file.
        network: Makes the network that stands where one stood.

    Raises:
        ValueError: There is no such file, or it holds what nobody stored.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        tree = json.loads(arrays[TREE].tobytes())
        return _unpacked(tree, arrays, network)
    except UNREADABLE as error:
        raise ValueError(f"what was stored must be whole: {path} is not ({error})") from None


def _name(known: Any) -> str:
    return f"{known.__module__}.{getattr(known, '__qualname__', '')}"


def _is_known(known: Any) -> bool:
    return callable(known) and _KNOWN.get(_name(known)) is known


def _packed(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    """What JSON can hold of a value; its arrays go into `arrays`."""
    # Not a subclass, such as NumPy's float64, which would come back as another type.
    if type(value) in {type(None), bool, int, float, str}:
        return value
    tree: dict[str, Any]
    if isinstance(value, np.ndarray | np.generic):
        tree = {"array": _added(np.asarray(value), arrays), "scalar": np.isscalar(value)}
    elif isinstance(value, Tensor):
        array = value.detach().cpu().numpy()
        tree = {"tensor": _added(array, arrays), "device": str(value.device)}
    elif isinstance(value, nn.Module):
        tree = {"network": True}
    elif _is_known(type(value)):
        tree = {"of": _name(type(value)), "holds": _packed(_parts(value), arrays)}
    elif type(value) in {tuple, list}:
        tree = {type(value).__name__: [_packed(each, arrays) for each in value]}
    elif isinstance(value, Mapping):
        tree = {"mapping": {str(name): _packed(each, arrays) for name, each in value.items()}}
    elif _is_known(value):
        tree = {"name": _name(value)}
    else:
        raise TypeError(f"only what is marked as storable is stored: got {type(value).__name__}")
    return tree


def _added(array: np.ndarray, arrays: dict[str, np.ndarray]) -> str:
    name = f"a{len(arrays)}"
    arrays[name] = array
    return name


def _parts(value: Any) -> dict[str, Any]:
    """The fields of a dataclass or a named tuple."""
    names = [each.name for each in fields(value)] if is_dataclass(value) else value._fields
    return {name: getattr(value, name) for name in names}


def _unpacked(
    tree: Any, arrays: Mapping[str, np.ndarray], network: Callable[[], nn.Module] | None
) -> Any:
    def inside(part: Any) -> Any:
        return _unpacked(part, arrays, network)

    value: Any
    match tree:
        case {"array": name, "scalar": scalar}:
            value = arrays[name][()] if scalar else arrays[name]
        case {"tensor": name, "device": device}:
            value = torch.from_numpy(arrays[name]).to(device)
        case {"network": _}:
            if network is None:
                raise ValueError("a network stood there, and none is given")
            value = network()
        case {"of": name, "holds": parts}:
            value = _KNOWN[name](**inside(parts))
        case {"mapping": parts}:
            value = {name: inside(part) for name, part in parts.items()}
        case {"name": name}:
            value = _KNOWN[name]
        case {"tuple": parts}:
            value = tuple(inside(part) for part in parts)
        case {"list": parts}:
            value = [inside(part) for part in parts]
        case _:
            value = tree
    return value
