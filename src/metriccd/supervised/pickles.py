"""Pickles that torch wrote, as trees of plain values and tensors; nothing in them can run.

A pickle may call whatever it names. This reader knows a few codes and names, each as something of
its own that holds numbers or nothing, and refuses all others; it imports nothing that a file says.
It is no child of Python's, which lets a file make keys of nested tuples: to hash them takes for
ever, or ends the process.
"""

from __future__ import annotations

import math
import pickletools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np

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
# Of a tensor.
MOST_AXES = 8
# Codes that bring their value, and those that make a new one.
VALUES = frozenset({"BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE"})
NEW: Mapping[str, Callable[[], Any]] = {
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
}


class RefusedError(Exception):
    """A pickle named what is none of its business."""


class Name(Enum):
    """What a pickle may name, beside storages."""

    REBUILD = "what torch calls to make a tensor of a storage"
    DICTIONARY = "an ordered dictionary"
    IDLE = "a class or an object that is left alone"


@dataclass(frozen=True)
class Stored:
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


def read_pickle(pickled: bytes) -> Any:
    """What a pickle of torch's holds: None, numbers, text, tuples, lists, mappings, `Stored`.

    Raises:
        RefusedError: It names something else.
        ValueError, TypeError, LookupError: It is no such pickle.
    """
    machine = _Machine()
    for code, value, _ in pickletools.genops(pickled):
        if code.name == "STOP":
            return machine.popped(1)[0]
        if code.name in VALUES:
            machine.stack.append(value)
        elif code.name in NEW:
            machine.stack.append(NEW[code.name]())
        elif code.name in _CODES:
            machine.value = value
            _CODES[code.name](machine)
        else:
            raise ValueError(f"a pickle with {code.name}")
    raise ValueError("a pickle without an end")


class _Machine:
    """What codes work on: a stack, marks in it, what is remembered, and the value of a code."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.value: Any = None

    def popped(self, count: int) -> list[Any]:
        """So many values, in order."""
        if not 0 <= count <= len(self.stack):
            raise ValueError("it takes what it does not hold")
        start = len(self.stack) - count
        taken = self.stack[start:]
        del self.stack[start:]
        return taken

    def marked(self) -> list[Any]:
        """All values since the last mark, in order."""
        return self.popped(len(self.stack) - self.marks.pop())

    def extend(self, values: list[Any]) -> None:
        """Adds to a list, or to what is left alone."""
        if isinstance(self.stack[-1], list):
            self.stack[-1].extend(values)

    def update(self, keys_and_values: list[Any]) -> None:
        """Adds to a mapping, or to what is left alone."""
        if isinstance(self.stack[-1], dict):
            self.stack[-1].update(_items(keys_and_values))

    def put(self) -> None:
        """Remembers what lies on top, by number."""
        self.memo[self.value] = self.stack[-1]

    def get(self) -> None:
        """Brings back what was remembered."""
        self.stack.append(self.memo[self.value])


# What codes do; the state of an object, such as what torch adds to a dictionary, is dropped.
_CODES: Mapping[str, Callable[[_Machine], object]] = {
    "PROTO": lambda _: None,
    "MARK": lambda machine: machine.marks.append(len(machine.stack)),
    "TUPLE": lambda machine: machine.stack.append(tuple(machine.marked())),
    "TUPLE1": lambda machine: machine.stack.append(tuple(machine.popped(1))),
    "TUPLE2": lambda machine: machine.stack.append(tuple(machine.popped(2))),
    "TUPLE3": lambda machine: machine.stack.append(tuple(machine.popped(3))),
    "APPEND": lambda machine: machine.extend(machine.popped(1)),
    "APPENDS": lambda machine: machine.extend(machine.marked()),
    "SETITEM": lambda machine: machine.update(machine.popped(2)),
    "SETITEMS": lambda machine: machine.update(machine.marked()),
    "BINPUT": _Machine.put,
    "LONG_BINPUT": _Machine.put,
    "BINGET": _Machine.get,
    "LONG_BINGET": _Machine.get,
    "GLOBAL": lambda machine: machine.stack.append(_named(*machine.value.split(" ", 1))),
    "BINPERSID": lambda machine: machine.stack.append(_storage(*machine.popped(1))),
    "REDUCE": lambda machine: machine.stack.append(_called(*machine.popped(2))),
    "NEWOBJ": lambda machine: machine.stack.append(_called(*machine.popped(2))),
    "BUILD": lambda machine: machine.popped(1),
}


def _items(keys_and_values: list[Any]) -> Iterator[tuple[Any, Any]]:
    for key, value in zip(keys_and_values[::2], keys_and_values[1::2], strict=True):
        if not isinstance(key, str | int | float | Name | None):
            raise TypeError(f"a {type(key).__name__} for a key")
        yield key, value


def _named(module: str, name: str) -> Any:
    """What a file may name, each as something of our own."""
    if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
        return Name.REBUILD
    if (module, name) == ("collections", "OrderedDict"):
        return Name.DICTIONARY
    if module == "torch" and name in STORAGES:
        return STORAGES[name]
    if module.partition(".")[0] in IDLE:
        return Name.IDLE
    raise RefusedError(f"{module}.{name}")


def _storage(persistent: Any) -> Stored:
    """A storage, by its name in the archive."""
    what, kind, key, *_ = persistent
    known = what == "storage" and isinstance(kind, np.dtype)
    if not (known and isinstance(key, str) and key.isalnum()):
        raise ValueError("a storage without a name")
    return Stored(key, kind, 0, ())


def _called(what: Any, arguments: Any) -> Any:
    """What a file wants made of something that it may name."""
    if what is Name.IDLE:
        return what
    if what is Name.DICTIONARY and arguments == ():
        return {}
    if what is Name.REBUILD:
        return _rebuilt(*arguments)
    raise ValueError("a call of what is no function")


def _rebuilt(storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> Stored:
    """A tensor of a storage."""
    if not isinstance(storage, Stored) or not len(size) == len(stride) <= MOST_AXES:
        raise ValueError("a tensor without a storage")
    numbers = (offset, *size, *stride)
    if not all(isinstance(each, int) and 0 <= each < 2**63 for each in numbers):
        raise ValueError("a tensor with sizes that are none")
    # A step over an axis of one element leads nowhere.
    whole = [math.prod(size[axis + 1 :]) for axis in range(len(size))]
    axes = zip(whole, stride, size, strict=True)
    if any(own != step and side > 1 for own, step, side in axes):
        raise ValueError(f"a tensor with strides {tuple(stride)}")
    return Stored(storage.key, storage.kind, offset, tuple(size))
