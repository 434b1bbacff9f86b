"""Ways to damage a file: of any kind by bytes, and of each kind by what it is made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")
Rng = np.random.Generator
# What a damaged file holds, and what was done to it.
Damaged = tuple[bytes, str]
Damage = Callable[[bytes, Rng], Damaged]

WHOLE = (0, 1, -1, 2, 255, 65535, 2**31 - 1, 2**31, 2**32 - 1, 2**62, 2**63 - 1, -(2**63), 10**40)
REAL = (0.0, -1.0, 1e-320, 1e308, -1e308, float("inf"), float("-inf"), float("nan"), 1e18)


def one_of(rng: Rng, choices: Sequence[T]) -> T:
    """Any of them; of any type, which `rng.choice` would convert."""
    return choices[int(rng.integers(len(choices)))]


def by_bytes(content: bytes, rng: Rng) -> Damaged:
    """Damages that need not know what the bytes mean."""
    ways = (_flipped, _flipped, _overwritten, _cut, _cut, _moved, _longer, _numbers)
    return one_of(rng, ways)(content, rng)


def spliced(content: bytes, other: bytes, rng: Rng) -> Damaged:
    """The beginning of one file and the end of another."""
    here, there = _place(content, rng), _place(other, rng)
    return content[:here] + other[there:], f"to {here}, then another file from {there}"


def _place(content: bytes, rng: Rng) -> int:
    # Half of the places are in the first bytes, where headers are.
    return int(rng.integers(max(min(len(content), 512) if rng.random() < 0.5 else len(content), 1)))


def _flipped(content: bytes, rng: Rng) -> Damaged:
    changed, places = bytearray(content), [_place(content, rng) for _ in range(rng.integers(1, 12))]
    for place in places if content else ():
        changed[place] ^= 1 << int(rng.integers(8))
    return bytes(changed), f"bits flipped at {places}"


def _overwritten(content: bytes, rng: Rng) -> Damaged:
    place, length = _place(content, rng), int(rng.integers(1, max(len(content) // 4, 2)))
    byte = one_of(rng, (0, 0xFF, None))
    run = rng.bytes(length) if byte is None else bytes([byte]) * length
    changed = content[:place] + run[: len(content) - place] + content[place + length :]
    return changed, f"{length} bytes of {byte} at {place}"


def _cut(content: bytes, rng: Rng) -> Damaged:
    place = one_of(rng, (0, 1, 8, _place(content, rng), _place(content, rng), len(content) - 1))
    return content[:place], f"cut at {place} of {len(content)}"


def _moved(content: bytes, rng: Rng) -> Damaged:
    first, second, third = sorted(_place(content, rng) for _ in range(3))
    one, other = content[first:second], content[second:third]
    middle, what = one_of(
        rng, ((other, "left out"), (one + one + other, "twice"), (other + one, "swapped"))
    )
    return content[:first] + middle + content[third:], f"{first}–{second} {what}, before {third}"


def _longer(content: bytes, rng: Rng) -> Damaged:
    size = one_of(rng, (1, 4096, 10**6))
    return content + one_of(rng, (bytes(size), rng.bytes(size))), f"{size} bytes more"


def _numbers(content: bytes, rng: Rng) -> Damaged:
    """A whole number of 2, 4 or 8 bytes anywhere."""
    changed, places = bytearray(content), []
    for _ in range(rng.integers(1, 4)):
        size = one_of(rng, (2, 4, 8))
        place, value = _place(content, rng), one_of(rng, WHOLE) % 256**size
        changed[place : place + size] = value.to_bytes(size, one_of(rng, ("little", "big")))
        places.append((place, value))
    return bytes(changed), f"numbers at {places}"
