"""Cost: how long each preset takes on a scene here, and whether it fits in memory."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cache

import torch
from torch.nn import functional

from metriccd.pair import MANY_BANDS
from metriccd.trust import free_mib

# From here on memory does not grow with the scene (docs/performance.md), but by a fifth at most.
LARGE, MORE = 4.0, 1.2
# Pixels beyond that cost so much of what those before do, as nothing more is fitted on them.
LATER = 0.4
# Bands beyond `MANY_BANDS`, which presets compare as a few components, count for so much: 224 bands
# of 512² pixels took 1,840 MiB with `fast`.
BEYOND = 0.25


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What a preset takes: whatever the size, for each megapixel, for each megapixel and band.

    Attributes:
        work: In GFLOP of convolutions that take as long.
        mib: Peak memory in MiB.
        bounded: Whether memory stops growing at `LARGE` megapixels.
    """

    work: tuple[float, float, float]
    mib: tuple[float, float, float]
    bounded: bool = True


# `python benchmarks/costs.py` on a quiet machine of two cores, rounded: 600² of 3 bands took 7 s,
# 2,000² of 4 bands 24 to 28 s, where these say 7 to 9 and 30 to 40. Memory rounded up.
# Of the two presets that fit a network to the whole pair: 80 steps on the convolutions of VGG-16's
# two levels, whose feature maps are kept for the gradient.
FIGURES = {
    "fast": Figures(work=(2200, 370, 600), mib=(850, 60, 70)),
    "default": Figures(work=(2700, 1900, 450), mib=(850, 60, 70)),
    "paper": Figures(work=(4400, 880_000, 0), mib=(700, 27_500, 0), bounded=False),
    "released": Figures(work=(4400, 325_000, 0), mib=(700, 20_000, 0), bounded=False),
    "imagenet": Figures(work=(2000, 500, 150), mib=(850, 40, 15)),
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


def costs(shape: tuple[int, int], bands: int) -> list[Cost]:
    """What each preset takes for a scene of `shape` (rows, cols), on cores as busy as they are."""
    megapixels = shape[0] * shape[1] / 1e6
    counted = min(bands, MANY_BANDS) + BEYOND * max(bands - MANY_BANDS, 0)
    later = max(megapixels - LARGE, 0) * (1 - LATER)
    rate, free = _rate(), free_mib()
    found = []
    for name, figures in FIGURES.items():
        needed = _sum(figures.mib, megapixels, counted)
        if figures.bounded:
            needed = min(needed, MORE * _sum(figures.mib, LARGE, counted))
        found.append(
            Cost(
                preset=name,
                seconds=_sum(
                    figures.work, megapixels - later if figures.bounded else megapixels, counted
                )
                / rate,
                mib=needed,
                fits=None if free is None else needed < free,
            )
        )
    return found


def _sum(terms: tuple[float, float, float], megapixels: float, bands: float) -> float:
    return terms[0] + megapixels * (terms[1] + terms[2] * bands)


@cache
def _rate() -> float:
    """The rate of this process: workers ask for each of thousands of pairs."""
    return convolution_rate()


def convolution_rate() -> float:
    """GFLOP/s of 3×3 convolutions of 64 channels on 256² pixels in bfloat16, the best of three."""
    image = torch.zeros(1, 64, 256, 256, dtype=torch.bfloat16).to(memory_format=torch.channels_last)
    kernel = torch.zeros(64, 64, 3, 3, dtype=torch.bfloat16)
    best = float("inf")
    with torch.inference_mode():
        for _ in range(3):
            start = time.perf_counter()
            functional.conv2d(image, kernel, padding=1)
            best = min(best, time.perf_counter() - start)
    return 2 * 64 * 64 * 9 * 256**2 / best / 1e9
