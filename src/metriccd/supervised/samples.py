"""What is learned from: pairs with references, a part of each held out, cut into patches."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32
from torch import Tensor

from metriccd.errors import DataError

# The lowest rows of each place, this share of them, are held out.
HELD_OUT = 0.2


@dataclass(frozen=True, kw_only=True)
class Place:
    """A pair and its reference.

    Attributes:
        name: What the data set calls it.
        bands: Names of its bands.
        rgb: Which of them are red, green and blue.
        t1: First image, as it was read; 0 where not judged.
        t2: Second image, on its grid.
        valid: True where both images hold data.
        changed: Reference, True = change.
        judged: True where the images are valid and the reference is known.
    """

    name: str
    bands: tuple[str, ...]
    rgb: tuple[int, int, int]
    t1: Float32[np.ndarray, "band row col"] = field(repr=False)
    t2: Float32[np.ndarray, "band row col"] = field(repr=False)
    valid: Bool[np.ndarray, "row col"] = field(repr=False)
    changed: Bool[np.ndarray, "row col"] = field(repr=False)
    judged: Bool[np.ndarray, "row col"] = field(repr=False)

    @property
    def digest(self) -> str:
        """What tells its pixels from others: a SHA-256."""
        digest = hashlib.sha256(f"{self.bands} {self.t1.shape}".encode())
        for array in (self.t1, self.t2, self.valid, self.changed, self.judged):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class Sample:
    """A place as a network sees it, a part of one, or a batch of parts.

    Attributes:
        t1: Scaled first image.
        t2: Second one.
        target: 1 = change.
        weight: 1 where the reference counts, else 0.
    """

    t1: Float[Tensor, "*batch band row col"]
    t2: Float[Tensor, "*batch band row col"]
    target: Float[Tensor, "*batch row col"]
    weight: Float[Tensor, "*batch row col"]

    def cut(self, rows: slice, cols: slice = slice(None)) -> Sample:
        """A part of it."""
        return Sample(*(each[..., rows, cols] for each in self.parts))

    @property
    def parts(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """All four, in order."""
        return self.t1, self.t2, self.target, self.weight

    def split(self) -> tuple[Sample, Sample]:
        """What is learned from, and what is held out."""
        border = round(self.target.shape[0] * (1 - HELD_OUT))
        return self.cut(slice(0, border)), self.cut(slice(border, None))

    def turned(self, way: int) -> Sample:
        """One of the eight ways that flips and quarter turns make of it."""
        quarter, flipped = way % 4, way >= 4
        turned = (torch.rot90(each, quarter, (-2, -1)) for each in self.parts)
        return Sample(*(each.flip(-1) if flipped else each for each in turned))

    def at_least(self, side: int) -> Sample:
        """With zeros that do not count below and on the right, where it is smaller than that."""
        height, width = self.target.shape
        margin = (0, max(side - width, 0), 0, max(side - height, 0))
        return Sample(*(torch.nn.functional.pad(each, margin) for each in self.parts))


def patches(
    samples: Sequence[Sample], *, side: int, stride: int, batch: int, random: torch.Generator
) -> Iterator[Sample]:
    """Batches of patches of all samples, shuffled and turned at random.

    Patches lie on a lattice that is shifted anew each time, so that in the long run every pixel is
    seen everywhere in a patch. What is left after the last whole batch is a batch, too.

    Args:
        samples: Whole ones, as networks see them.
        side: Of a patch, in pixels.
        stride: From one patch to the next.
        batch: Patches at once.
        random: Of the shift, the order and the turns.
    """
    known = [each.at_least(side) for each in samples]
    corners = []
    for number, each in enumerate(known):
        height, width = each.target.shape
        shift = torch.randint(stride, (2,), generator=random).tolist()
        first = [min(own, room - side) for own, room in zip(shift, (height, width), strict=True)]
        corners += [
            (number, row, col)
            for row in range(first[0], height - side + 1, stride)
            for col in range(first[1], width - side + 1, stride)
        ]
    order = torch.randperm(len(corners), generator=random).tolist()
    ways = torch.randint(8, (len(corners),), generator=random).tolist()
    for start in range(0, len(order), batch):
        drawn = []
        for place in order[start : start + batch]:
            number, row, col = corners[place]
            part = known[number].cut(slice(row, row + side), slice(col, col + side))
            drawn.append(part.turned(ways[place]).parts)
        yield Sample(*(torch.stack(each) for each in zip(*drawn, strict=True)))


def share_of_change(samples: Sequence[Sample], use: str = "learn from") -> float:
    """Which share of the pixels that count is change.

    Args:
        samples: Parts of places.
        use: What they are there to do, for the message.

    Raises:
        DataError: No pixel is, or all are.
    """
    counted = sum(float(each.weight.sum()) for each in samples)
    changed = sum(float((each.weight * each.target).sum()) for each in samples)
    if not 0 < changed < counted:
        raise DataError(
            f"references must hold change and no change: got {changed:,.0f} changed pixels of "
            f"{counted:,.0f} to {use}; add places"
        )
    return changed / counted
