"""Images of one place in the order of time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from metriccd.errors import DataError
from metriccd.pair import (
    Acquired,
    BandNames,
    Dates,
    acquired,
    dates_given,
    file_of_mask,
    several,
    tokens,
)
from metriccd.raster import Image, Nodata, Raster, as_raster, open_item

# More would not fit the bytes in which images are numbered.
MOST = 250
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Dated:
    """An image of a series.

    Attributes:
        image: As the user gave it.
        raster: The same, opened.
        when: When it was taken; None where the images are numbered.
        number: Its place in time, from 1.
        masks: What is left out of this image.
    """

    image: Image
    raster: Raster
    when: Acquired | None
    number: int
    masks: tuple[Image, ...] = ()

    @property
    def name(self) -> str:
        """Its day, or its number where no dates are known."""
        return str(self.number) if self.when is None else day_of(self.when)

    @property
    def stamp(self) -> int:
        """The same as a number: days since 1970-01-01."""
        return self.number if self.when is None else (self.when.time - EPOCH).days


def day_of(when: Acquired) -> str:
    """The day as 2019-06-01."""
    return when.time.strftime("%Y-%m-%d")


def in_order(
    images: Sequence[Image],
    *,
    dates: Dates | None = None,
    masks_of: Mapping[int, Image | Sequence[Image]] | None = None,
    nodata: Nodata = None,
    axes: str | None = None,
    assets: BandNames | None = None,
) -> tuple[list[Dated], list[str]]:
    """The images, first taken first, and what there is to say about their order.

    Args:
        images: Two or more.
        dates: When they were taken, one for each, instead of what their names tell.
        masks_of: What is left out of an image, by its place among those given, from 1.
        nodata: As of `detect`.
        axes: Likewise.
        assets: Likewise.

    Raises:
        DataError: An image cannot be read, two are of one day, or there are too few or too many.
    """
    if not 2 <= len(images) <= MOST:
        raise DataError(f"a series must have 2 to {MOST} images: got {len(images)}")
    masks = _masks(masks_of or {}, len(images))
    rasters = [_opened(image, k, nodata, axes, assets) for k, image in enumerate(images, start=1)]
    told = (
        dates_given(dates, len(images))
        if dates is not None
        else [acquired(raster) for raster in rasters]
    )
    found = [
        Dated(image=image, raster=raster, when=when, number=number, masks=masks.get(number, ()))
        for number, (image, raster, when) in enumerate(
            zip(images, rasters, told, strict=True), start=1
        )
    ]
    unknown = [each.raster.label for each in found if each.when is None]
    if unknown:
        note = (
            f"nothing tells when {unknown[0]} was taken: the images are numbered in the order "
            "given instead; --dates says when"
        )
        return [replace(each, when=None) for each in found], [note]
    ordered = sorted(found, key=lambda each: each.when.time if each.when else 0)
    for one, other in pairwise(ordered):
        if one.name == other.name:
            assert one.when is not None
            raise DataError(
                f"the images of a series must be of different days: {one.raster.label} and "
                f"{other.raster.label} are both of {one.name} ({one.when.source}); leave one out, "
                "or say when with --dates"
            )
    notes = []
    if ordered != found:
        notes.append(f"the images were put in order of time: {', '.join(e.name for e in ordered)}")
    return [replace(each, number=k) for k, each in enumerate(ordered, start=1)], notes


def _masks(
    masks_of: Mapping[int, Image | Sequence[Image]], images: int
) -> dict[int, tuple[Image, ...]]:
    """Masks by the number of their image."""
    for number in masks_of:
        if not 1 <= number <= images:
            raise DataError(
                f"a mask of one image must name it by its number, from 1 to {images}: got {number}"
            )
    return {number: tuple(several(masks)) for number, masks in masks_of.items()}


def _opened(
    image: Image, number: int, nodata: Nodata, axes: str | None, assets: BandNames | None
) -> Raster:
    if assets is None:
        return as_raster(image, f"image {number}", nodata, axes=axes)
    return replace(open_item(image, tokens(assets) or ()), nodata=nodata)


def files_in(series: Sequence[Dated]) -> list[str | Path]:
    """The images and their masks that are files or folders."""
    found = [image for each in series for image in (each.image, *map(file_of_mask, each.masks))]
    return [image for image in found if isinstance(image, str | Path)]
