"""What a method is: told by options, it measures a pair of arrays.

Most are fitted on a source first, which may be larger than memory, and then measure any window.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float32, Real
from torch import nn

from metriccd.pair import ArrayPair, Block, Source
from metriccd.paper import PAPER, FitSettings
from metriccd.raster import Window
from metriccd.scene import Difference, Fitted, map_tiles, side_of, tiles
from metriccd.stages import Stages

Scaling = Literal["percentiles", "extremes"]
# Change in any direction, what appeared in t2, what disappeared from t1.
Direction = Literal["both", "appeared", "disappeared"]
DIRECTIONS: tuple[Direction, ...] = ("both", "appeared", "disappeared")


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a method may be told; classical ones need none of it.

    Attributes:
        rgb: Bands that a feature extractor sees.
        extractor: "embedded", "vgg16", a weights file, or a module (batch, 3, row, col) →
            feature maps.
        fit: Settings of the per-pair optimizer.
        plain_features: Whether the plain difference of "fusion" compares features, too.
        direction: Of change that "fusion" looks for, see `DIRECTIONS`.
        ground: Side of a pixel on the ground in meters; None where unknown.
        color_factor: β of the color correction.
        scaling: How images are brought to [0, 1]: both by common percentiles of each band, or each
            by its own extremes over all bands, as the released code does.
        device: "auto", "cpu", "cuda" or "mps".
        checkpoint: What a supervised method was trained to, a file; None of all others.
        seed: Of everything random.
        stages: Records time and reports progress.
    """

    rgb: tuple[int, int, int] = (0, 1, 2)
    extractor: str | nn.Module = "embedded"
    fit: FitSettings = PAPER
    plain_features: bool = True
    direction: Direction = "both"
    ground: float | None = None
    color_factor: int = 4
    scaling: Scaling = "percentiles"
    device: str = "auto"
    checkpoint: str | None = None
    seed: int = 0
    stages: Stages = field(default_factory=Stages)

    @property
    def extractor_name(self) -> str:
        """What a record calls the extractor."""
        own = self.extractor
        return own if isinstance(own, str) else type(own).__name__


class Method(ABC):
    """A change detector: two images on one grid → a difference image."""

    def __call__(
        self,
        t1: Real[np.ndarray, "band row col"],
        t2: Real[np.ndarray, "band row col"],
        valid: Bool[np.ndarray, "row col"] | None = None,
        *,
        options: Options | None = None,
    ) -> Difference:
        """Measures change at every pixel that is valid (all, by default)."""
        return self.on(_usable(t1, t2, valid), options or Options())

    @abstractmethod
    def on(self, block: Block, options: Options) -> Difference:
        """Measures change on arrays of float32 without NaN."""


@dataclass(frozen=True)
class WholeMethod(Method):
    """A method that needs the whole pair in memory.

    Attributes:
        measure: The pair → what it measured; pixels that are not valid may hold anything.
    """

    measure: Callable[[Block, Options], Difference]

    def on(self, block: Block, options: Options) -> Difference:
        """Measures all of it at once."""
        found = self.measure(block, options)
        return replace(found, image=np.where(block.valid, found.image, np.nan).astype(np.float32))


@dataclass(frozen=True)
class WindowedMethod(Method):
    """A method that is fitted on a source of any size and then measures windows.

    Attributes:
        fit: Fits it: `Fitted` of nothing but what is `storable`, and at most one network.
        network: Makes that network again; None where there is none.
    """

    fit: Callable[[Source, Options], Fitted]
    network: Callable[[Options], nn.Module] | None = None

    def network_of(self, options: Options) -> Callable[[], nn.Module] | None:
        """Makes the network of a fit again; None where there is none."""
        return None if self.network is None else partial(self.network, options)

    def on(self, block: Block, options: Options) -> Difference:
        """Fits it on the arrays and measures them tile by tile."""
        return self.measured(block, self.fit(ArrayPair(block=block), options), options)

    def measured(self, block: Block, fitted: Fitted, options: Options) -> Difference:
        """Measures arrays tile by tile, once it is fitted."""
        source, side = ArrayPair(block=block), side_of(fitted)
        count = sum(1 for _ in tiles(source.shape, size=side, halo=0))
        with options.stages.stage("measure", count) as advance, source.reader() as read:

            def measure(window: Window) -> Float32[np.ndarray, "component _row _col"]:
                part = read(window)
                return np.where(
                    part.valid, fitted.measure(part)[: fitted.components], np.nan
                ).astype(np.float32)

            components = map_tiles(
                measure,
                source.shape,
                channels=fitted.components,
                size=side,
                halo=fitted.halo,
                advance=advance,
            )
        return Difference(
            image=fitted.merge(components).astype(np.float32),
            components=components if fitted.components > 1 else None,
            floor=fitted.floor,
            probability=fitted.probability,
            chi2_dof=fitted.chi2_dof,
            history=fitted.history,
            facts=fitted.facts,
            warnings=fitted.warnings,
        )


def _usable(
    t1: Real[np.ndarray, "band row col"],
    t2: Real[np.ndarray, "band row col"],
    valid: Bool[np.ndarray, "row col"] | None,
) -> Block:
    """Arrays as methods take them: float32, a full mask, no NaN."""
    if t1.shape != t2.shape:
        raise ValueError(f"t1 and t2 must have one shape: got {t1.shape} and {t2.shape}")
    usable = np.isfinite(t1).all(axis=0) & np.isfinite(t2).all(axis=0)
    usable &= True if valid is None else valid
    one, other = (np.where(usable, image, 0).astype(np.float32) for image in (t1, t2))
    return Block(one, other, usable)


def choose_device(device: str) -> str:
    """Turns "auto" into the accelerator at hand, else the CPU; anything else stays.

    Raises:
        ValueError: The device is not there.
    """
    there = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if device == "auto":
        return next(name for name, found in there.items() if found)
    if not there.get(device, False):
        found = ", ".join(name for name, found in there.items() if found)
        raise ValueError(f"no device {device!r} here: choose auto, or one of {found}")
    return device
