"""What a detection is asked for, as one object from the door of the house on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from metriccd.decision import Cleaning, Connectivity
from metriccd.methods import Direction
from metriccd.pair import BandNames, Dates, ImagePair, file_of_mask, read_pair, several
from metriccd.raster import Image, Nodata
from metriccd.stages import Progress, Stages
from metriccd.trust import MAX_PIXELS, Trust


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
    mask_dilate: int = 0
    nodata: Nodata
    bbox: str | Sequence[float] | None = None
    bbox_crs: str | None = None
    aoi: Image | None = None
    coregister: str | None = None
    offset: str | float = "auto"
    assets: BandNames | None = None
    clouds: str | None = None
    threshold: str | float
    min_area: float = 0.0
    kinds: str | Sequence[str] = ()
    extractor: str | nn.Module | None
    checkpoint: str | Path | None = None
    device: str
    seed: int
    progress: Progress | None
    band_names: BandNames | None = None
    dates: Dates | None = None
    axes: str | None = None
    min_pixels: int | None = None
    fill_holes: int = 0
    connectivity: Connectivity = 4
    direction: Direction = "both"
    grid: Image | None = None
    allow_remote: bool = False
    max_pixels: int = MAX_PIXELS

    def __post_init__(self) -> None:
        # What happens to the map is checked before anything is opened.
        self.cleaning.record()
        _ = self.trust

    @property
    def trust(self) -> Trust:
        """What may be opened, and how much of it read."""
        return Trust(allow_remote=self.allow_remote, max_pixels=self.max_pixels)

    @property
    def cleaning(self) -> Cleaning:
        """What happens to the change map."""
        return Cleaning(
            min_pixels=self.min_pixels,
            min_area=self.min_area,
            fill_holes=self.fill_holes,
            connectivity=self.connectivity,
        )

    @property
    def files(self) -> list[str | Path]:
        """The images, masks, polygons and weights that are files or folders, or may be."""
        read = (self.t1, self.t2, *map(file_of_mask, several(self.masks)), self.aoi)
        read = (*read, self.extractor, self.checkpoint)
        return [each for each in read if isinstance(each, str | Path)]

    @property
    def settings(self) -> dict[str, Any]:
        """What was asked for that the pair does not tell, for the record."""
        names = (
            "mask_dilate",
            "bbox",
            "bbox_crs",
            "coregister",
            "clouds",
            "kinds",
        )
        asked = {name: getattr(self, name) for name in names}
        if self.grid is not None:
            asked["grid"] = getattr(self.grid, "label", str(self.grid))
        return {"asked threshold": self.threshold} | self.cleaning.record() | asked

    def opened(self, stages: Stages | None = None) -> ImagePair:
        """The images on one grid."""
        with self.trust.applied():
            return read_pair(
                self.t1,
                self.t2,
                bands=self.bands,
                rgb=self.rgb,
                masks=self.masks,
                mask_dilate=self.mask_dilate,
                nodata=self.nodata,
                band_names=self.band_names,
                dates=self.dates,
                axes=self.axes,
                bbox=self.bbox,
                bbox_crs=self.bbox_crs,
                aoi=self.aoi,
                offset=self.offset,
                assets=self.assets,
                clouds=self.clouds,
                grid=self.grid,
                stages=stages,
            )
