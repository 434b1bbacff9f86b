"""Masks: rasters, polygons and named classes, all read as "leave this pixel out" by windows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from affine import Affine
from jaxtyping import Bool
from scipy.ndimage import distance_transform_edt

from metriccd.errors import DataError
from metriccd.pair.alignment import on_lattice
from metriccd.pair.classes import WRITTEN, Classes, looks_like, split_classes
from metriccd.pair.registration import Registration
from metriccd.raster import (
    Grid,
    Image,
    Raster,
    Shapes,
    Window,
    as_raster,
    class_band,
    is_vector,
    open_shapes,
)
from metriccd.trust import placed, require_size

# Side of the look at a plain raster that may be one of classes, and values of it that are named.
LOOK, SHOWN = 256, 6
Excluded = Callable[[Window], Bool[np.ndarray, "row col"]]


@dataclass(frozen=True, kw_only=True)
class Mask:
    """What is left out, and where it is read from.

    Attributes:
        source: A raster or polygons.
        classes: Which values of a raster are left out.
        outside: What is outside is left out, not what is inside.
        dilation: Pixels of the pair's grid by which it grows.
        date: The date it belongs to, and moves with.
    """

    source: Raster | Shapes
    classes: Classes = field(default_factory=Classes)
    outside: bool = False
    dilation: int = 0
    date: Literal["t1", "t2"] = "t1"

    @property
    def label(self) -> str:
        """What is left out, in words."""
        kind = self.classes.scheme
        what = "" if kind == "NONZERO" else f":{kind}={','.join(map(str, self.classes.numbers))}"
        return f"{'outside ' if self.outside else ''}{self.source.label}{what}"

    @contextmanager
    def reader(self, grid: Grid, moved: Registration | None = None) -> Iterator[Excluded]:
        """Yields a function from a window of `grid` to the pixels that are left out.

        Args:
            grid: Of the pair.
            moved: How the date it belongs to is moved.
        """
        opened = (
            self.source.reader(grid, categorical=True)
            if moved is None
            else moved.reader(self.source, grid, categorical=True)
        )
        with opened as read:

            def excluded(window: Window) -> Bool[np.ndarray, "row col"]:
                padded = window.padded((self.dilation, self.dilation), grid.shape)
                values, known = read(padded)
                found = known & self.classes(values)
                if self.outside:
                    found = ~found
                if self.dilation and found.any():
                    found = distance_transform_edt(~found) <= self.dilation
                top, left = window.row - padded.row, window.col - padded.col
                kept: Bool[np.ndarray, "row col"] = found[
                    top : top + window.height, left : left + window.width
                ]
                return kept

            yield excluded


def several(masks: Image | Sequence[Image]) -> Sequence[Image]:
    """Masks as a sequence; one alone is a mask too."""
    return masks if isinstance(masks, list | tuple) else (masks,)


def file_of_mask(mask: Image) -> Image:
    """The file of a mask with its classes; any other mask itself."""
    written = WRITTEN.fullmatch(mask.strip()) if isinstance(mask, str) else None
    return mask if written is None or written["path"] is None else written["path"]


def placed_mask(mask: str, folder: str) -> str:
    """A mask as it is found from anywhere; the images' own classes as they are.

    Args:
        mask: As people write it: "FILE", "FILE:SCL=3,8", "SCL".
        folder: What its file is relative to: an absolute path.
    """
    written = WRITTEN.fullmatch(mask.strip())
    if written is None:
        return placed(mask, folder)
    file: str | None = written["path"]
    return mask if file is None else placed(file, folder) + mask.strip()[written.end("path") :]


def open_masks(
    masks: Sequence[Image], images: tuple[Image, Image], grid: Grid, *, dilation: int = 0
) -> tuple[Mask, ...]:
    """Opens what the user calls masks.

    Args:
        masks: Rasters (non-zero is left out), vector files, and classes as text: "FILE:SCL",
            "FILE:QA_PIXEL=cloud,shadow", "SCL" for the images' own band.
        images: t1 and t2, as the user gave them.
        grid: t1's whole grid.
        dilation: Pixels by which each grows.

    Raises:
        DataError: One cannot be read, or is a raster of classes and does not say which.
        GridError: One does not lie on the images' grid.
    """
    return tuple(found for mask in masks for found in _opened(mask, images, grid, dilation))


def _opened(mask: Image, images: tuple[Image, Image], grid: Grid, dilation: int) -> Iterator[Mask]:
    if is_vector(mask):
        yield Mask(source=open_shapes(mask), dilation=dilation)
        return
    written = split_classes(mask) if isinstance(mask, str) else None
    if written is not None and written[0] is None:
        yield from _own(images, grid, written[1], dilation)
        return
    path, classes = (mask, Classes()) if written is None else written
    raster = on_lattice(classes.of_bands(as_raster(path, "mask")), grid, "a mask")
    require_size(*raster.grid.shape, raster.label)
    if written is None:
        _refuse_classes(raster)
    yield Mask(source=raster, classes=classes, dilation=dilation)


def _own(
    images: tuple[Image, Image], grid: Grid, classes: Classes, dilation: int
) -> Iterator[Mask]:
    """The images' own bands of a scheme, one a date."""
    dates: tuple[Literal["t1", "t2"], ...] = ("t1", "t2")
    found = [
        class_band(image, date, classes.scheme) for image, date in zip(images, dates, strict=True)
    ]
    if found == [None, None]:
        raise DataError(
            f"--mask {classes.scheme} needs a band of that name in t1 or t2: none was found; "
            f"give its file, --mask FILE:{classes.scheme}"
        )
    for raster, date in zip(found, dates, strict=True):
        if raster is not None:
            placed = on_lattice(classes.of_bands(raster), grid, "a mask")
            yield Mask(source=placed, classes=classes, dilation=dilation, date=date)


def _refuse_classes(raster: Raster) -> None:
    """Raises DataError where a raster that is taken for 0 and 1 seems to hold classes."""
    grid = raster.grid.coarser(max(*(side // LOOK for side in raster.grid.shape), 1))
    with raster.reader(grid, categorical=True) as read:
        values, _ = read(Window.whole(grid.shape))
    scheme = looks_like(raster.label, values)
    if scheme is not None:
        raise DataError(
            f"a mask must be 0 where pixels are kept: {raster.label} looks like {scheme} classes, "
            f"all of which but 0 would be left out; write --mask {raster.label}:{scheme}, "
            f"or {raster.label}:VALUES=1,2,…"
        )


def require_gaps(mask: Mask, grid: Grid) -> None:
    """Refuses a plain raster that would leave nothing of a grid, as a map of classes does.

    Raises:
        DataError: No pixel that it knows is zero.
    """
    if isinstance(mask.source, Shapes) or mask.classes.scheme != "NONZERO":
        return
    small = _overview(grid)
    with mask.source.reader(small, categorical=True) as read:
        values, known = read(Window.whole(small.shape))
    marked = (values != 0).any(axis=0) & known
    if not known.any() or not marked.all():
        return
    found = np.unique(values[:, marked])
    names = ", ".join(f"{value:g}" for value in found[:SHOWN]) + ", …" * (len(found) > SHOWN)
    label = mask.source.label
    raise DataError(
        f"a mask must be 0 where pixels count: all of {label} is something else ({names}), "
        f"which leaves out all pixels; of classes write --mask {label}:SCL or {label}:QA_PIXEL, "
        f"or {label}:VALUES=1,2,…"
    )


def _overview(grid: Grid) -> Grid:
    """The same place in few pixels."""
    rows, cols = (min(side, LOOK) for side in grid.shape)
    step = Affine.scale(grid.width / cols, grid.height / rows)
    if math.isclose(step.a, 1) and math.isclose(step.e, 1):
        return grid
    return Grid(height=rows, width=cols, transform=grid.transform @ step, crs=grid.crs)
