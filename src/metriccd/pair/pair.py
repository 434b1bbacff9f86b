"""Two images of one place on one grid."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from metriccd.errors import DataError
from metriccd.pair.alignment import common_grid, cropped
from metriccd.pair.bands import EVERY, BandNames, find_rgb, in_order_of, select, shared, tokens
from metriccd.pair.blocks import MIN_VALID, Block, Contents
from metriccd.pair.classes import USUAL
from metriccd.pair.clouds import cloud_mask
from metriccd.pair.color import MANY_BANDS
from metriccd.pair.dates import Acquired, Dates, acquired, dates_given, order_warning
from metriccd.pair.fill import blurred_fill
from metriccd.pair.masks import Mask, open_masks, require_gaps, several
from metriccd.pair.offset import NO_OFFSET, Offset, about_zero, offsets_asked
from metriccd.pair.registration import Registration
from metriccd.raster import (
    STRANGERS,
    Grid,
    Image,
    Nodata,
    Raster,
    Shapes,
    Window,
    as_raster,
    open_item,
    open_shapes,
)
from metriccd.stages import Stages
from metriccd.trust import require_memory, require_size

READ_SIZE = 1024
# Bytes of a value, and values held for each of a window: as stored, as measured, of both dates.
SIZE, COPIES = np.dtype(np.float32).itemsize, 4


@dataclass(frozen=True, kw_only=True)
class ImagePair:
    """Two rasters to compare, and the grid to compare them on.

    Attributes:
        t1: First image; its pixel lattice is the pair's, unless another one is asked for.
        t2: Second image, resampled to it.
        grid: The part of t1's grid, or of the one asked for, that both images cover.
        rgb: Positions of the red, green and blue bands among the bands of the pair.
        masks: What is left out.
        registration: How t2 is moved; None where nobody looked.
        offsets: What is added to the values of t1 and of t2.
        dates: When t1 and t2 were taken, and what tells it; None where nothing does.
        notes: What was guessed, or asked for and left undone, a line each.
    """

    t1: Raster
    t2: Raster
    grid: Grid
    rgb: tuple[int, int, int]
    masks: tuple[Mask, ...] = ()
    registration: Registration | None = None
    offsets: tuple[Offset, Offset] = (NO_OFFSET, NO_OFFSET)
    dates: tuple[Acquired | None, Acquired | None] = (None, None)
    notes: tuple[str, ...] = ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was guessed, also of what was read so far, and what overrides it; a line each."""
        return (*self.notes, *self._guesses)

    @property
    def seen(self) -> frozenset[str]:
        """What was come upon while pixels were read: "t1 zeros" where these were taken for fill."""
        dates = {"t1": self.t1, "t2": self.t2}
        return frozenset(f"{date} {what}" for date, image in dates.items() for what in image.seen)

    def recall(self, seen: Iterable[str]) -> None:
        """Takes for seen what an earlier run, or another process, came upon."""
        for date, what in (each.split(" ", 1) for each in seen):
            (self.t1 if date == "t1" else self.t2).seen.add(what)

    @property
    def _guesses(self) -> list[str]:
        """What was taken for missing while pixels were read."""
        return [
            f"zero in all bands of {raster.label} was taken for missing pixels, of which the file "
            "says nothing; --nodata none keeps them"
            for raster in (self.t1, self.t2)
            if "zeros" in raster.seen
        ]

    @property
    def files(self) -> Iterator[Path]:
        """Files that the images and the masks consist of."""
        for source in (self.t1, self.t2, *(mask.source for mask in self.masks)):
            yield from source.files

    @property
    def settings(self) -> dict[str, object]:
        """How pixels are read, for the record."""
        found = {} if self.registration is None else self.registration.facts
        return {
            "nodata": self.t1.nodata,
            "masks": [mask.label for mask in self.masks],
            "offset": [offset.value for offset in self.offsets],
            **found,
        }

    @property
    def moved(self) -> dict[str, object]:
        """The field of shifts, for the record; nothing where there is none."""
        field = None if self.registration is None else self.registration.shifts
        return {} if field is None else {"field of shifts": np.round(field, 3).tolist()}

    @contextmanager
    def reader(self) -> Iterator[Callable[[Window], Block]]:
        """Opens both images and yields a function that reads a window of the pair's grid."""
        with ExitStack() as stack:
            first = stack.enter_context(self.t1.reader(self.grid))
            moved = self.registration
            second = stack.enter_context(
                self.t2.reader(self.grid) if moved is None else moved.reader(self.t2, self.grid)
            )
            masks = [
                stack.enter_context(mask.reader(self.grid, moved if mask.date == "t2" else None))
                for mask in self.masks
            ]

            def read(window: Window) -> Block:
                t1, valid1 = first(window)
                t2, valid2 = second(window)
                valid = valid1 & valid2
                for excluded in masks:
                    valid &= ~excluded(window)
                add1, add2 = (np.float32(offset.value) for offset in self.offsets)
                return Block(np.where(valid, t1 + add1, 0), np.where(valid, t2 + add2, 0), valid)

            yield read

    def of_few_bands(self) -> ImagePair:
        """This pair with red, green, blue and others spread evenly, `MANY_BANDS` at most."""
        count = len(self.t1.bands)
        if count <= MANY_BANDS:
            return self
        spread = np.linspace(0, count - 1, MANY_BANDS - len(self.rgb)).round().astype(int)
        kept = sorted({*self.rgb, *spread.tolist()})
        # Zero in these bands is not zero in all: what is seen of them is not of the pair.
        t1, t2 = (
            replace(raster, bands=tuple(raster.bands[index] for index in kept), seen=set())
            for raster in (self.t1, self.t2)
        )
        red, green, blue = (kept.index(index) for index in self.rgb)
        return replace(self, t1=t1, t2=t2, rgb=(red, green, blue))

    def blocks(self, size: int = READ_SIZE) -> PairBlocks:
        """The pair as blocks of at most size × size pixels, read anew at every pass."""
        return PairBlocks(pair=self, size=size)

    def load(self, stages: Stages | None = None) -> Block:
        """Reads the whole pair by windows and checks that it can be compared.

        Raises:
            DataError: Too few valid pixels, identical images, or an image without contrast.
        """
        bands, grid = len(self.t1.bands), self.grid
        require_memory(
            2.0 * SIZE * bands * grid.height * grid.width,
            f"all of a pair of {grid.height:,} × {grid.width:,} pixels of {bands:,} bands",
            "compare a part with --bbox, or choose a preset that reads tile by tile",
        )
        t1 = np.empty((bands, *grid.shape), np.float32)
        whole = Block(t1, np.empty_like(t1), np.empty(grid.shape, np.bool_))
        windows = list(grid.windows(READ_SIZE))
        with (stages or Stages()).stage("read", len(windows)) as advance, self.reader() as read:
            for window in windows:
                for target, part in zip(whole, read(window), strict=True):
                    target[..., *window.slices] = part
                advance(1)
        contents = Contents()
        contents.add(whole)
        self._refuse(contents)
        return whole

    def check(self, stages: Stages | None = None) -> None:
        """Checks that the pair can be compared; reads no more of it than that takes.

        Raises:
            DataError: Too few valid pixels, identical images, or an image without contrast.
        """
        contents = Contents()
        windows = list(self.grid.windows(READ_SIZE))
        with (stages or Stages()).stage("check", len(windows)) as advance, self.reader() as read:
            for window in windows:
                contents.add(read(window))
                if contents.comparable:
                    break
                advance(1)
        self._refuse(contents)

    def refusal(self, stages: Stages | None = None) -> str | None:
        """Why `check` refuses the pair; None where it does not."""
        try:
            self.check(stages)
        except DataError as error:
            return str(error)
        return None

    def _refuse(self, contents: Contents) -> None:
        if contents.count < MIN_VALID:
            raise DataError(
                f"at least {MIN_VALID} pixels must be valid in both images: got {contents.count} "
                f"of {self.grid.height * self.grid.width}; check nodata, masks and overlap"
                f"{''.join(f'; {guess}' for guess in self._guesses)}"
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

    @property
    def seen(self) -> frozenset[str]:
        """What was come upon while pixels were read."""
        return self.pair.seen

    def __iter__(self) -> Iterator[Block]:
        with self.reader() as read:
            for window in self.pair.grid.windows(self.size):
                yield read(window)

    def reader(self) -> AbstractContextManager[Callable[[Window], Block]]:
        """A context that yields a function from a window to its pixels."""
        return self.pair.reader()


def read_pair(
    t1: Image,
    t2: Image,
    *,
    bands: BandNames | None = None,
    rgb: BandNames | None = None,
    masks: Image | Sequence[Image] = (),
    mask_dilate: int = 0,
    nodata: Nodata = None,
    band_names: BandNames | None = None,
    dates: Dates | None = None,
    axes: str | None = None,
    bbox: str | Sequence[float] | None = None,
    bbox_crs: str | None = None,
    aoi: Image | None = None,
    offset: str | float = "auto",
    assets: BandNames | None = None,
    clouds: str | None = None,
    grid: Image | None = None,
    stages: Stages | None = None,
) -> ImagePair:
    """Opens two images and finds the grid they share.

    Args:
        t1: First image: a path, an array (band, row, col) or an xarray DataArray.
        t2: Second image, likewise.
        bands: Bands to compare, by number, name, description or common name ("red", "nir",
            "swir1" …), or "all"; all by default, or the four 10 m bands of Sentinel-2.
        rgb: Which of them are red, green and blue; found from the file by default.
        masks: What is left out (clouds, shadow): rasters where they are not zero, polygons, or
            classes as text, see `open_masks`.
        mask_dilate: Pixels by which masks grow.
        nodata: Value of missing pixels, instead of what the files declare; "none" where no
            pixel is missing.
        band_names: Names of all bands, in order, for an image that does not name its own.
        dates: When the images were taken, instead of what their names tell: two ISO 8601 dates.
        axes: Order of the axes of NumPy arrays, such as "row,col,band".
        bbox: West, south, east, north of the part to read, in t1's CRS.
        bbox_crs: Another CRS that the box is in.
        aoi: Vector file of polygons; pixels outside are not valid and not read where possible.
        offset: What is added to Sentinel-2's values: "auto", what their products tell, or a number.
        assets: The images are STAC items: which of their assets are the bands.
        clouds: "auto" leaves out clouds and shadows that a network finds; None: nothing.
        grid: A raster on whose grid both are compared, instead of t1's.
        stages: Records time and reports progress.

    Raises:
        DataError: A file cannot be read, a band is missing, or the images' bands differ.
        GridError: The images do not overlap, or only one of them has a CRS.
        ValueError: The box is none, or the dilation negative.
    """
    if mask_dilate < 0:
        raise ValueError(f"masks grow by 0 pixels or more: got {mask_dilate}")
    bands, rgb, names, wanted = map(tokens, (bands, rgb, band_names, assets))
    one, other = _named(
        _opened(t1, "t1", nodata, axes, wanted), _opened(t2, "t2", nodata, axes, wanted), names
    )
    chosen = [EVERY] if wanted is not None and bands is None else bands
    first = select(one, chosen)
    second, unlike = in_order_of(first, select(other, chosen))
    if len(first.bands) != len(second.bands):
        raise DataError(
            f"t1 and t2 must have the same bands: got {len(first.bands)} and "
            f"{len(second.bands)}; {shared(first, second)}"
        )
    area = None if aoi is None else open_shapes(aoi)
    onto = None if grid is None else as_raster(grid, "grid", axes=axes)
    place = cropped(common_grid(first, second, onto), bbox, bbox_crs, area)
    _require_bounds(place, first, second)
    offsets = offsets_asked(offset, first, second)
    first, second, moved = about_zero(first, second, place)
    positions, guess = find_rgb(first, rgb)
    images = (_with_classes(t1, one), _with_classes(t2, other))
    found = list(open_masks(several(masks), images, first.grid, dilation=mask_dilate))
    for mask in found:
        require_gaps(mask, place)
    if clouds is not None:
        if clouds != "auto":
            raise ValueError(f"clouds are left out by auto, or not: got {clouds!r}")
        found += (
            cloud_mask(raster, place, add, date=date, dilation=mask_dilate, stages=stages)
            for raster, add, date in zip((one, other), offsets, ("t1", "t2"), strict=True)
        )
    fills = blurred_fill(first, place), blurred_fill(second, place)
    found += [Mask(source=fill, date="t1") for fill in fills[:1] if fill is not None]
    found += [Mask(source=fill, date="t2") for fill in fills[1:] if fill is not None]
    if area is not None:
        found.append(Mask(source=area, outside=True))
    unplaced = [
        f"{mask.source.label} names no CRS: its polygons were taken to be in that of t1; "
        "ogr2ogr -a_srs states another"
        for mask in found
        if isinstance(mask.source, Shapes) and mask.source.crs is None and place.crs is not None
    ]
    given = (acquired(first), acquired(second)) if dates is None else dates_given(dates)
    when = given[0], given[1]
    strangers = [f"{name} leads to no usable proj.db and was ignored" for name in STRANGERS]
    blurred = [note for fill in fills if fill is not None for note in fill.notes]
    said = (*strangers, *first.notes, *second.notes, *blurred, unlike, moved, guess)
    said = (*said, *unplaced, order_warning(*when))
    return ImagePair(
        t1=first,
        t2=second,
        grid=place,
        rgb=positions,
        masks=tuple(found),
        offsets=offsets,
        dates=when,
        notes=tuple(dict.fromkeys(note for note in said if note)),
    )


def _require_bounds(grid: Grid, *rasters: Raster) -> None:
    """Refuses a pair of which more must be read than is allowed, or more at once than memory holds.

    Raises:
        DataError: It is.
    """
    require_size(*grid.shape, f"what {' and '.join(raster.label for raster in rasters)} share")
    bands = len(rasters[0].bands)
    for raster in rasters:
        part = raster.grid.overlap(grid)
        if part is not None:
            require_size(part.height, part.width, raster.label)
    rows, cols = (min(side, READ_SIZE) for side in grid.shape)
    require_memory(
        float(rows) * cols * bands * SIZE * COPIES,
        f"a window of {rows:,} × {cols:,} pixels of {bands:,} bands of two dates",
        "compare fewer with --bands",
    )


def _named(first: Raster, second: Raster, names: Sequence[str] | None) -> tuple[Raster, Raster]:
    """Both images with the names given: those that name no bands, or both where each does."""
    if names is None:
        return first, second
    both = not (first.nameless or second.nameless)
    one, other = (
        raster.renamed(names) if both or raster.nameless else raster for raster in (first, second)
    )
    return one, other


def _with_classes(image: Image, raster: Raster) -> Image:
    """Where to look for an image's own classes: among its bands, or where the user pointed."""
    own = any(band.name.upper() in USUAL for band in raster.bands)
    return replace(raster, nodata=None) if own else image


def _opened(
    image: Image, label: str, nodata: Nodata, axes: str | None, assets: list[str] | None
) -> Raster:
    if assets is None:
        return as_raster(image, label, nodata, axes=axes)
    return replace(open_item(image, assets), nodata=nodata)
