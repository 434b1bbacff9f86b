"""Places to learn from: squares that appear, with a reference."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from metriccd.supervised.samples import Place
from metriccd.supervised.training import Training

SMALL = replace(Training.of("unet"), epochs=3, side=32, stride=32, batch=8)


def lesson(seed: int, shape: tuple[int, int] = (120, 100), bands: int = 3) -> Place:
    random = np.random.default_rng(seed)
    t1 = random.normal(100, 10, (bands, *shape)).astype(np.float32)
    t2 = t1 + random.normal(0, 5, t1.shape).astype(np.float32)
    changed = np.zeros(shape, bool)
    for _ in range(12):
        row, col = random.integers(0, shape[0] - 10), random.integers(0, shape[1] - 10)
        changed[row : row + 10, col : col + 10] = True
    # One of them where it is held out.
    changed[-14:-4, 20:30] = True
    t2[:, changed] += 60
    valid = np.ones(shape, bool)
    return Place(
        name=f"place {seed}",
        bands=tuple(str(number) for number in range(1, bands + 1)),
        rgb=(0, 1, 2),
        t1=t1,
        t2=t2,
        valid=valid,
        changed=changed,
        judged=valid,
    )
