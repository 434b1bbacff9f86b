"""Two images of one place on one grid."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float32

from metriccd.errors import DataError, GridError
from metriccd.image import Image, as_raster, on_lattice
from metriccd.raster import Grid, Raster, Window
from metriccd.stages import Stages

# Below this no statistic of a pair means anything, and the networks have no room.
MIN_SIDE = 16
MIN_VALID = 64
READ_SIZE = 1024
# Bands taken from a Sentinel-2 folder when none are asked for: the four at 10 m.
SENTINEL2_BANDS = ("B04", "B03", "B02", "B08")
# Sentinel-2 and plain names of red, green and blue, and their wavelengths in µm.
COLORS = {"red": ("b04", 0.66), "green": ("b03", 0.56), "blue": ("b02", 0.48)}
WAVELENGTH = re.compile(r"(\d*\.?\d+)\s*(micrometers|µm|um|nanometers|nm)\b", re.IGNORECASE)
WAVELENGTH_TOLERANCE = 0.06


class Block(NamedTuple):
    """Pixels of a window of both images.

    Attributes:
        t1: First image (band, row, col), float32; 0 where not valid.
        t2: Second image, on the first one's grid.
        valid: True where both images hold data and no mask excludes the pixel.
    """

    t1: Float32[np.ndarray, "band row col"]
    t2: Float32[np.ndarray, "band row col"]
    valid: Bool[np.ndarray, "row col"]


class _Contents:
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


BandNames = str | Sequence[str | int]  # "4,3,2", or names and numbers


@dataclass(frozen=True, kw_only=True)
class ImagePair:
    """Two rasters to compare, and the grid to compare them on.

    Attributes:
        t1: First image; its pixel lattice is the pair's.
        t2: Second image, resampled to it.
        grid: The part of t1's grid that t2 covers.
        rgb: Positions of the red, green and blue bands among the bands of the pair.
        masks: Rasters whose non-zero pixels are excluded.
    """

    t1: Raster
    t2: Raster
    grid: Grid
    rgb: tuple[int, int, int]
    masks: tuple[Raster, ...] = ()

    @contextmanager
    def reader(self) -> Iterator[Callable[[Window], Block]]:
        """Opens both images and yields a function that reads a window of the pair's grid."""
        with ExitStack() as stack:
            first = stack.enter_context(self.t1.reader(self.grid))
            second = stack.enter_context(self.t2.reader(self.grid))
            masks = [
                stack.enter_context(mask.reader(self.grid, categorical=True)) for mask in self.masks
            ]

            def read(window: Window) -> Block:
                t1, valid1 = first(window)
                t2, valid2 = second(window)
                valid = valid1 & valid2
                for mask in masks:
                    values, known = mask(window)
                    valid &= ~(known & (values != 0).any(axis=0))
                return Block(np.where(valid, t1, 0), np.where(valid, t2, 0), valid)

            yield read

    def blocks(self, size: int = READ_SIZE) -> PairBlocks:
        """The pair as blocks of at most size × size pixels, read anew at every pass."""
        return PairBlocks(pair=self, size=size)

    def load(self, stages: Stages | None = None) -> Block:
        """Reads the whole pair by windows and checks that it can be compared.

        Raises:
            DataError: Too few valid pixels, identical images, or an image without contrast.
        """
        bands, grid = len(self.t1.bands), self.grid
        t1 = np.empty((bands, *grid.shape), np.float32)
        whole = Block(t1, np.empty_like(t1), np.empty(grid.shape, np.bool_))
        windows = list(grid.windows(READ_SIZE))
        with (stages or Stages()).stage("read", len(windows)) as advance, self.reader() as read:
            for window in windows:
                for target, part in zip(whole, read(window), strict=True):
                    target[..., *window.slices] = part
                advance(1)
        contents = _Contents()
        contents.add(whole)
        self._refuse(contents)
        return whole

    def check(self, stages: Stages | None = None) -> None:
        """Checks that the pair can be compared; reads no more of it than that takes.

        Raises:
            DataError: Too few valid pixels, identical images, or an image without contrast.
        """
        contents = _Contents()
        windows = list(self.grid.windows(READ_SIZE))
        with (stages or Stages()).stage("check", len(windows)) as advance, self.reader() as read:
            for window in windows:
                contents.add(read(window))
                if contents.comparable:
                    break
                advance(1)
        self._refuse(contents)

    def _refuse(self, contents: _Contents) -> None:
        if contents.count < MIN_VALID:
            raise DataError(
                f"at least {MIN_VALID} pixels must be valid in both images: got {contents.count} "
                f"of {self.grid.height * self.grid.width}; check nodata, masks and overlap"
            )
        for raster, contrast in zip((self.t1, self.t2), contents.contrast, strict=True):
            if not contrast:
                raise DataError(
                    f"an image must have contrast: every valid pixel of {raster.label} is equal; "
                    "check the file"
                )
        if not contents.differ:
            raise DataError(
                f"t1 and t2 must differ: every valid pixel of {self.t2.label} equals "
                f"{self.t1.label}; give two dates"
            )


@runtime_checkable
class Source(Protocol):
    """Where a method reads a pair from: all of it block by block, or any window."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""

    def __iter__(self) -> Iterator[Block]:
        """Blocks that cover the pair; iterate once for each pass."""

    def reader(self) -> AbstractContextManager[Callable[[Window], Block]]:
        """A context that yields a function from a window to its pixels."""


@dataclass(frozen=True, kw_only=True)
class PairBlocks:
    """A pair of files as a source: memory for one block.

    Attributes:
        pair: The pair.
        size: Largest side of a block, in pixels.
    """

    pair: ImagePair
    size: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.pair.grid.shape

    def __iter__(self) -> Iterator[Block]:
        with self.reader() as read:
            for window in self.pair.grid.windows(self.size):
                yield read(window)

    def reader(self) -> AbstractContextManager[Callable[[Window], Block]]:
        """A context that yields a function from a window to its pixels."""
        return self.pair.reader()


@dataclass(frozen=True, kw_only=True)
class ArrayPair:
    """A pair in memory as a source, in one block.

    Attributes:
        block: All of it.
    """

    block: Block

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        height, width = self.block.valid.shape
        return height, width

    def __iter__(self) -> Iterator[Block]:
        yield self.block

    @contextmanager
    def reader(self) -> Iterator[Callable[[Window], Block]]:
        """A context that yields a function from a window to its pixels."""
        yield lambda window: Block(*(each[..., *window.slices] for each in self.block))


def read_pair(
    t1: Image,
    t2: Image,
    *,
    bands: BandNames | None = None,
    rgb: BandNames | None = None,
    masks: Image | Sequence[Image] = (),
    nodata: float | None = None,
) -> ImagePair:
    """Opens two images and finds the grid they share.

    Args:
        t1: First image: a path, an array (band, row, col) or an xarray DataArray.
        t2: Second image, likewise.
        bands: Bands to compare, by number, name or description; all by default, or the four
            10 m bands of a Sentinel-2 folder.
        rgb: Which of them are red, green and blue; found from the file by default.
        masks: Rasters whose non-zero pixels are excluded (clouds, shadow).
        nodata: Value of missing pixels, instead of what the files declare.

    Raises:
        DataError: A file cannot be read, a band is missing, or the images' bands differ.
        GridError: The images do not overlap, or only one of them has a CRS.
    """
    bands, rgb = _tokens(bands), _tokens(rgb)
    first = _select(as_raster(t1, "t1", nodata), bands)
    second = _in_order_of(first, _select(as_raster(t2, "t2", nodata), bands))
    if len(first.bands) != len(second.bands):
        raise DataError(
            f"t1 and t2 must have the same bands: got {len(first.bands)} and "
            f"{len(second.bands)}; choose them with --bands"
        )
    grid = common_grid(first, second)
    return ImagePair(
        t1=first,
        t2=second,
        grid=grid,
        rgb=_find_rgb(first, rgb),
        masks=tuple(
            on_lattice(as_raster(mask, "mask"), first.grid, "a mask") for mask in several(masks)
        ),
    )


def common_grid(first: Raster, second: Raster) -> Grid:
    """The part of `first`'s grid that `second` covers.

    Raises:
        GridError: No overlap, an overlap too small, a CRS on one side only, or two images
            without georeference that differ in size.
    """
    one, other = first.grid, second.grid
    if (one.crs is None) != (other.crs is None):
        without = first.label if one.crs is None else second.label
        raise GridError(
            f"both images must have a CRS, or neither: {without} has none; "
            "assign it with gdal_edit.py -a_srs"
        )
    if not one.georeferenced and one.shape != other.shape:
        raise GridError(
            f"images without georeference must have one size: got {one.height}×{one.width} and "
            f"{other.height}×{other.width} (rows×columns); crop them, or give them a CRS"
        )
    overlap = one.overlap(other)
    if overlap is None:
        raise GridError(f"the images must overlap: {first.label} and {second.label} do not")
    if min(overlap.height, overlap.width) < MIN_SIDE:
        raise GridError(
            f"the overlap must be at least {MIN_SIDE}×{MIN_SIDE} pixels: got "
            f"{overlap.height}×{overlap.width} (rows×columns)"
        )
    return one.crop(overlap)


def three(rgb: tuple[int, int, int], bands: int) -> tuple[int, int, int]:
    """Red, green and blue for images of fewer than three bands: the last one repeats."""
    red, green, blue = (min(band, bands - 1) for band in rgb)
    return red, green, blue


def colors_of(
    image: Float32[np.ndarray, "band row col"], rgb: tuple[int, int, int]
) -> Float32[np.ndarray, "3 row col"]:
    """Red, green and blue of an image."""
    colors: Float32[np.ndarray, "3 row col"] = image[list(three(rgb, len(image)))]
    return colors


def _tokens(names: BandNames | None) -> list[str] | None:
    """Band names as a list: "4,3,2" and [4, 3, 2] mean the same."""
    if names is None:
        return None
    return [str(name) for name in (names.split(",") if isinstance(names, str) else names)]


def several(masks: Image | Sequence[Image]) -> Sequence[Image]:
    """Masks as a sequence; one alone is a mask too."""
    return masks if isinstance(masks, list | tuple) else (masks,)


def _in_order_of(first: Raster, second: Raster) -> Raster:
    """The second image's bands in the first one's order, where both have the same names."""
    names = [band.name for band in first.bands]
    others = {band.name: band for band in second.bands}
    if len(others) == len(names) == len(set(names)) and others.keys() == set(names):
        return replace(second, bands=tuple(others[name] for name in names))
    return second


def _select(raster: Raster, bands: Sequence[str] | None) -> Raster:
    if bands is not None:
        return raster.select(bands)
    names = {band.name for band in raster.bands}
    if names.issuperset(SENTINEL2_BANDS):
        return raster.select(SENTINEL2_BANDS)
    return raster


def _find_rgb(raster: Raster, rgb: Sequence[str] | None) -> tuple[int, int, int]:
    """Positions of red, green and blue among the raster's bands."""
    if rgb is not None:
        if len(rgb) != 3:
            raise DataError(f"--rgb must name three bands: got {len(rgb)}")
        chosen = raster.select(rgb).bands
        red, green, blue = (raster.bands.index(band) for band in chosen)
        return red, green, blue
    found = [_color_position(raster, color) for color in COLORS]
    if None not in found and len(set(found)) == len(found):
        red, green, blue = (position or 0 for position in found)
        return red, green, blue
    last = len(raster.bands) - 1
    return 0, min(1, last), min(2, last)


def _color_position(raster: Raster, color: str) -> int | None:
    """Where the band of a color is: by its role, its name, or its wavelength."""
    name, wavelength = COLORS[color]
    for position, band in enumerate(raster.bands):
        said = {band.color.lower(), band.name.lower(), band.description.lower()}
        if said & {color, name}:
            return position
    gaps = {
        position: abs(length - wavelength)
        for position, band in enumerate(raster.bands)
        if (length := _wavelength(band.description)) is not None
    }
    nearest = min(gaps, key=lambda position: gaps[position], default=None)
    return nearest if nearest is not None and gaps[nearest] < WAVELENGTH_TOLERANCE else None


def _wavelength(description: str) -> float | None:
    """Wavelength in µm from a description such as "Band 3 (0.660000 Micrometers)"."""
    match = WAVELENGTH.search(description)
    if match is None:
        return None
    return float(match[1]) / (1000 if match[2].lower().startswith("n") else 1)
