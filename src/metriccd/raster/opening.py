"""The bands of a file, with all that the file says of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader

from metriccd.errors import DataError
from metriccd.raster.bands import NO_NAME, Band, identified, wavelength_in, wavelength_tagged
from metriccd.raster.grid import Grid
from metriccd.raster.paths import gdal_path, opened, reason, redacted, require_text
from metriccd.raster.refusals import container, grid_of, not_a_raster

# Alpha of more different values than these in its overview is measured rather than painted.
ALPHA_VALUES, OVERVIEW = 24, 256


@dataclass(frozen=True, kw_only=True)
class File:
    """What a file holds.

    Attributes:
        bands: All bands but alpha.
        alpha: Bands that say where pixels are.
        notes: What was guessed of it, a line each.
    """

    bands: tuple[Band, ...]
    alpha: tuple[Band, ...] = ()
    notes: tuple[str, ...] = ()


def open_file(path: str) -> File:
    """The bands of one file, named as its sensor names them.

    Raises:
        DataError: Not found, not a raster, or a container without bands of its own.
        GridError: Nothing places its pixels on a grid.
    """
    found = bands_of(path)
    place = Path(gdal_path(path))
    bands, note = identified(found.bands, [place.stem, *(part.name for part in place.parents)][:3])
    return replace(found, bands=bands, notes=(*found.notes, *([note] if note else [])))


def bands_of(path: str) -> File:
    """The bands of one file by the names it gives them.

    Raises:
        DataError: Not found, not a raster, or a container without bands of its own.
        GridError: Nothing places its pixels on a grid.
    """
    require_text(path)
    try:
        with opened(path) as dataset:
            if dataset.count == 0:
                raise container(path, dataset.subdatasets)
            pages = _pages(dataset, path)
            if pages is not None:
                return pages
            return _opened(dataset, path, grid_of(dataset, path))
    except RasterioError as error:
        remote = "://" in path or path.startswith("/vsi")
        if not remote and not Path(path).exists():
            raise DataError(f"the image must exist: {path} was not found; check the path") from None
        raise not_a_raster(path, reason(error)) from None


def _opened(dataset: DatasetReader, path: str, grid: Grid) -> File:
    bands = [_band(dataset, index, grid, path) for index in range(1, dataset.count + 1)]
    alpha = tuple(band for band in bands if band.color == "alpha")
    rest = tuple(band for band in bands if band.color != "alpha")
    notes = [_measured_alpha(dataset, band, path) for band in alpha if rest]
    if not rest:
        rest, alpha = alpha, ()
    return File(bands=rest, alpha=alpha, notes=tuple(note for note in notes if note))


def _band(dataset: DatasetReader, index: int, grid: Grid, path: str) -> Band:
    if dataset.dtypes[index - 1].startswith("complex"):
        raise DataError(
            f"bands must be real numbers: band {index} of {redacted(path)} is complex; "
            "take its magnitude first"
        )
    description = dataset.descriptions[index - 1] or ""
    tags = dataset.tags(index) | dataset.tags(index, ns="IMAGERY")
    length = wavelength_in(description)
    return Band(
        path=path,
        index=index,
        name=description or str(index),
        description=description,
        color=dataset.colorinterp[index - 1].name,
        wavelength=wavelength_tagged(tags) if length is None else length,
        grid=grid,
        dtype=dataset.dtypes[index - 1],
        nodata=dataset.nodatavals[index - 1],
        mask=_mask_of(dataset, index),
        scale=dataset.scales[index - 1] or 1.0,
        offset=dataset.offsets[index - 1] or 0.0,
    )


def _mask_of(dataset: DatasetReader, index: int) -> str | None:
    """What a VRT calls the band that says where pixels are: alpha, or else a mask band."""
    if ColorInterp.alpha in dataset.colorinterp:
        return str(dataset.colorinterp.index(ColorInterp.alpha) + 1)
    flags = set(dataset.mask_flag_enums[index - 1])
    # Nodata is read as such.
    if flags & {MaskFlags.all_valid, MaskFlags.nodata, MaskFlags.alpha}:
        return None
    return "mask,1" if MaskFlags.per_dataset in flags else f"mask,{index}"


def _measured_alpha(dataset: DatasetReader, band: Band, path: str) -> str | None:
    """What to say of an alpha band that looks measured, such as near infrared in RGB's fourth."""
    scale = max(dataset.height, dataset.width) / OVERVIEW
    shape = tuple(max(round(side / max(scale, 1)), 1) for side in (dataset.height, dataset.width))
    try:
        values = np.unique(dataset.read(band.index, out_shape=shape))
    except RasterioError:
        return None
    if len(values) <= ALPHA_VALUES:
        return None
    every = ",".join(str(number) for number in range(1, dataset.count + 1))
    return (
        f"band {band.index} of {redacted(path)} is declared alpha and was taken as a mask, though "
        f"it holds more than {ALPHA_VALUES} values; --bands {every} compares it"
    )


def _pages(dataset: DatasetReader, path: str) -> File | None:
    """The pages of a TIFF as bands, where they are alike; None where there is one page."""
    pages = dataset.subdatasets
    if len(pages) < 2 or dataset.driver != "GTiff":
        return None
    grid, bands = grid_of(dataset, path), list[Band]()
    for number, page in enumerate(pages, start=1):
        with opened(page) as part:
            if part.count != 1 or part.shape != dataset.shape or part.dtypes != dataset.dtypes:
                first = _opened(dataset, path, grid)
                note = (
                    f"{redacted(path)} has {len(pages)} pages of different kinds: the first was "
                    f"taken; GTIFF_DIR:2:{redacted(path)} is the second"
                )
                return replace(first, notes=(*first.notes, note))
            band = _band(part, 1, grid, page)
            named = band.description and not NO_NAME.fullmatch(band.description)
            bands.append(band if named else replace(band, name=str(number)))
    note = (
        f"the {len(pages)} pages of {redacted(path)} were taken as {len(pages)} bands; "
        f"--bands chooses, and GTIFF_DIR:1:{redacted(path)} is the first alone"
    )
    return File(bands=tuple(bands), notes=(note,))
