"""Cost: how long each preset takes on a scene here, and whether it fits in memory."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.nn import functional

from metriccd.methods import PRESETS

# docs/performance.md: 3×3 convolutions of 64 channels on 256² pixels, in bfloat16, in GFLOP/s.
QUIET = 440.0
# The same source: seconds and MiB whatever the size, for each megapixel, and MiB at most. Of the
# two that fit a network to the whole pair: 80 steps on the convolutions of VGG-16's two levels,
# whose feature maps are kept for the gradient.
FIGURES: dict[str, tuple[float, float, float, float, float]] = {
    "fast": (7.0, 1.4, 900.0, 330.0, 2_300.0),
    "default": (12.0, 1.4, 1_000.0, 340.0, 2_700.0),
    "paper": (10.0, 2_000.0, 700.0, 9_000.0, float("inf")),
    "released": (10.0, 2_000.0, 700.0, 9_000.0, float("inf")),
}


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a preset takes, roughly.

    Attributes:
        preset: Its name.
        seconds: Time, on this machine as busy as it is now.
        mib: Peak memory.
        fits: Whether as much memory is free; None where nobody says.
    """

    preset: str
    seconds: float
    mib: float
    fits: bool | None


def costs(shape: tuple[int, int]) -> list[Cost]:
    """What each preset takes for a scene of `shape` (rows, cols)."""
    megapixels = shape[0] * shape[1] / 1e6
    slower = max(QUIET / _rate(), 0.5)
    free = free_mib()
    found = []
    for name in PRESETS:
        fixed, each, base, mib, most = FIGURES[name]
        needed = min(base + mib * megapixels, most)
        found.append(
            Cost(
                preset=name,
                seconds=(fixed + each * megapixels) * slower,
                mib=needed,
                fits=None if free is None else needed < free,
            )
        )
    return found


def free_mib() -> float | None:
    """Memory that is free, in MiB; None where the system does not say."""
    try:
        text = Path("/proc/meminfo").read_text(encoding="ascii")
    except OSError:
        return None
    rows = dict(line.split(":") for line in text.splitlines())
    return float(rows["MemAvailable"].split()[0]) / 1024 if "MemAvailable" in rows else None


def _rate() -> float:
    """GFLOP/s of the convolution that `QUIET` was measured with, the best of three."""
    image = torch.zeros(1, 64, 256, 256, dtype=torch.bfloat16).to(memory_format=torch.channels_last)
    kernel = torch.zeros(64, 64, 3, 3, dtype=torch.bfloat16)
    best = float("inf")
    with torch.inference_mode():
        for _ in range(3):
            start = time.perf_counter()
            functional.conv2d(image, kernel, padding=1)
            best = min(best, time.perf_counter() - start)
    return 2 * 64 * 64 * 9 * 256**2 / best / 1e9
