"""What a detection is asked for, as one object from the door of the house on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from metriccd.methods import Direction
from metriccd.pair import BandNames, Dates, ImagePair, read_pair, several
from metriccd.raster import Image, Nodata
from metriccd.stages import Progress


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked for: two images, and what `detect` is told of them.

    The attributes are the arguments of `detect`, which explains them.
    """

    t1: Image
    t2: Image
    preset: str
    method: str | None
    bands: BandNames | None
    rgb: BandNames | None
    masks: Image | Sequence[Image]
    nodata: Nodata
    threshold: str | float
    min_area: float
    kinds: str | Sequence[str]
    extractor: str | nn.Module | None
    device: str
    seed: int
    progress: Progress | None
    band_names: BandNames | None = None
    dates: Dates | None = None
    axes: str | None = None
    min_pixels: int = 0
    direction: Direction = "both"

    @property
    def files(self) -> list[str | Path]:
        """The images and masks that are files or folders."""
        images = (self.t1, self.t2, *several(self.masks))
        return [image for image in images if isinstance(image, str | Path)]

    def opened(self) -> ImagePair:
        """The images on one grid."""
        return read_pair(
            self.t1,
            self.t2,
            bands=self.bands,
            rgb=self.rgb,
            masks=self.masks,
            nodata=self.nodata,
            band_names=self.band_names,
            dates=self.dates,
            axes=self.axes,
        )
