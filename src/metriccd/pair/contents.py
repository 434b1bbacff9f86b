"""What is known of a pair's pixels: whether they can be compared."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32

from metriccd.pair.blocks import Block

MIN_VALID = 64


class Contents:
    """What is known of a pair's pixels so far.

    Attributes:
        count: Valid pixels.
        contrast: Whether each image has two different pixels.
        differ: Whether the images do.
    """

    def __init__(self) -> None:
        self.count, self.contrast, self.differ = 0, [False, False], False
        self._first: list[Float32[np.ndarray, "band 1"] | None] = [None, None]

    @property
    def comparable(self) -> bool:
        """True once nothing that is read later can make the pair incomparable."""
        return self.count >= MIN_VALID and all(self.contrast) and self.differ

    def add(self, block: Block) -> None:
        """Looks at the pixels of a block."""
        if not block.valid.any():
            return
        t1, t2 = block.t1[:, block.valid], block.t2[:, block.valid]
        self.count += t1.shape[1]
        self.differ = self.differ or not np.array_equal(t1, t2)
        for date, pixels in enumerate((t1, t2)):
            first = self._first[date]
            first = self._first[date] = pixels[:, :1] if first is None else first
            self.contrast[date] = self.contrast[date] or bool((pixels != first).any())
