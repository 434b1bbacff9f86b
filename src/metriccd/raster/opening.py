"""The bands of a file, with all that it says of them, and what is refused: no image, or no grid."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import numpy as np
from rasterio.enums import ColorInterp, Interleaving, MaskFlags
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader

from metriccd.errors import DataError
from metriccd.raster.bands import NO_NAME, Band, identified, wavelength_in, wavelength_tagged
from metriccd.raster.grid import Grid
from metriccd.raster.paths import (
    gdal_path,
    opened,
    reason,
    redacted,
    require_text,
)
from metriccd.raster.placement import grid_of
from metriccd.trust import (
    admit,
    admit_named,
    admit_parts,
    is_remote,
    require_memory,
    trusted,
)

# Alpha of more different values than these in its overview is measured rather than painted.
ALPHA_VALUES, OVERVIEW = 24, 256
VECTORS = {".gpkg", ".shp", ".geojson", ".kml", ".kmz", ".fgb", ".gml", ".gdb", ".parquet"}
SHOWN = 6


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


def bands_of(path: str, item: str | None = None) -> File:
    """The bands of one file by the names it gives them.

    Args:
        path: Its name.
        item: The STAC item that gives the name, if it is not the user who does.

    Raises:
        DataError: Not found, not a raster, a container without bands of its own, or what may not be
            opened, never ends or takes too much memory.
        GridError: Nothing places its pixels on a grid.
    """
    require_text(path)
    name = gdal_path(path)
    if item is None:
        maybe_vrt = admit(name)
    else:
        folder = None if is_remote(gdal_path(item)) else Path(gdal_path(item)).absolute().parent
        maybe_vrt = admit_named(name, item, folder)
    try:
        with opened(path, maybe_vrt=maybe_vrt) as dataset:
            # GDAL asks a server for three dozen names to tell what else is there.
            if dataset.driver != "VRT" and not is_remote(name):
                admit_parts(name, [*dataset.files, *_overviews(dataset)])
            if dataset.count == 0:
                raise container(path, dataset.subdatasets)
            _require_blocks(dataset, path)
            _require_whole(dataset, path)
            pages = _pages(dataset, path)
            if pages is not None:
                return pages
            return _opened(dataset, path, grid_of(dataset, path))
    except RasterioError as error:
        remote = "://" in path or path.startswith("/vsi")
        if not remote and not Path(path).exists():
            raise DataError(
                f"the file must exist: {redacted(path)} was not found; check the path"
            ) from None
        raise not_a_raster(path, reason(error)) from None


def _overviews(dataset: DatasetReader) -> list[str]:
    """The file that holds smaller copies of an image, where a tag names it."""
    named = dataset.tags(ns="OVERVIEWS").get("OVERVIEW_FILE")
    return [] if named is None or named.startswith(":::BASE:::") else [named]


def _require_blocks(dataset: DatasetReader, path: str) -> None:
    """Refuses blocks, which must be decoded at once, that memory does not hold.

    Raises:
        DataError: It does not.
    """
    together = dataset.count if dataset.interleaving == Interleaving.pixel else 1
    for (rows, cols), kind in set(zip(dataset.block_shapes, dataset.dtypes, strict=True)):
        size = 8 if kind == "complex_int16" else np.dtype(kind).itemsize
        require_memory(
            float(rows) * cols * size * together,
            f"one block of {redacted(path)}, of {rows:,} × {cols:,} pixels,",
            "write it in smaller ones: gdal_translate -co TILED=YES",
        )


def _require_whole(dataset: DatasetReader, path: str) -> None:
    """Refuses an ENVI file that is shorter than its header tells; GDAL reads zeros for the rest.

    Raises:
        DataError: It is.
    """
    place, told = Path(gdal_path(path)), dataset.tags(ns="ENVI")
    if dataset.driver != "ENVI" or told.get("file_compression", "0") != "0" or not place.is_file():
        return
    offset = re.fullmatch(r"\s*(\d{1,18})\s*", told.get("header_offset", ""), re.ASCII)
    sizes = (np.dtype(kind).itemsize for kind in dataset.dtypes)
    needed = int(offset[1]) if offset else 0
    needed += dataset.height * dataset.width * sum(sizes)
    if place.stat().st_size < needed:
        raise DataError(
            f"a file must be complete: {redacted(path)} has {place.stat().st_size:,} of the "
            f"{needed:,} bytes that its header tells; get it again"
        )


def _opened(dataset: DatasetReader, path: str, grid: Grid) -> File:
    bands = _bands(dataset, grid, path)
    alpha = tuple(band for band in bands if band.color == "alpha")
    rest = tuple(band for band in bands if band.color != "alpha")
    small = dataset.height * dataset.width <= trusted().max_pixels
    notes = [_measured_alpha(dataset, band, path) for band in alpha if rest and small]
    notes += [_times(dataset, path), _turned(dataset, path)]
    if not rest:
        rest, alpha = alpha, ()
    return File(bands=rest, alpha=alpha, notes=tuple(note for note in notes if note))


def _bands(dataset: DatasetReader, grid: Grid, path: str) -> list[Band]:
    # Of thousands of bands, what each is asked for is told of all at once.
    kinds, texts, colors = dataset.dtypes, dataset.descriptions, dataset.colorinterp
    nodata, scales, offsets = dataset.nodatavals, dataset.scales, dataset.offsets
    masks = _masks_of(dataset)
    found = []
    for place, index in enumerate(dataset.indexes):
        if kinds[place].startswith("complex"):
            raise DataError(
                f"bands must be real numbers: band {index} of {redacted(path)} is complex; "
                "take its magnitude first"
            )
        description = texts[place] or ""
        tags = dataset.tags(index) | dataset.tags(index, ns="IMAGERY")
        length = wavelength_in(description)
        found.append(
            Band(
                path=path,
                index=index,
                name=description or str(index),
                description=description,
                color=colors[place].name,
                wavelength=wavelength_tagged(tags) if length is None else length,
                grid=grid,
                dtype=kinds[place],
                nodata=nodata[place],
                mask=masks[place],
                scale=_finite(scales[place]) or 1.0,
                offset=_finite(offsets[place]),
            )
        )
    return found


def _finite(number: float) -> float:
    """A number of a header; 0 for NaN and infinity, which say nothing."""
    return number if math.isfinite(number) else 0.0


def _masks_of(dataset: DatasetReader) -> list[str | None]:
    """What a VRT calls the band that says where pixels are: alpha, or else a mask band."""
    colors = dataset.colorinterp
    if ColorInterp.alpha in colors:
        return [str(colors.index(ColorInterp.alpha) + 1)] * len(colors)
    found: list[str | None] = []
    for index, flags in enumerate(dataset.mask_flag_enums, start=1):
        # Nodata is read as such.
        if {MaskFlags.all_valid, MaskFlags.nodata, MaskFlags.alpha} & set(flags):
            found.append(None)
        else:
            found.append("mask,1" if MaskFlags.per_dataset in flags else f"mask,{index}")
    return found


def _times(dataset: DatasetReader, path: str) -> str | None:
    """What to say of a cube of NetCDF or GRIB whose bands are times, not colors."""
    told = [dataset.tags(index) for index in dataset.indexes]
    for name in ("NETCDF_DIM_time", "GRIB_VALID_TIME"):
        times = {tags[name] for tags in told if name in tags}
        if len(times) > 1:
            return (
                f"the {dataset.count} bands of {redacted(path)} are of {len(times)} times and were "
                "compared as bands of one; --bands 1 takes the first"
            )
    return None


def _turned(dataset: DatasetReader, path: str) -> str | None:
    """What to say of a photograph that a camera stored turned, which viewers turn back."""
    told = dataset.tags().get("EXIF_Orientation", "1").strip()
    if told in {"0", "1"}:
        return None
    return (
        f"{redacted(path)} is stored turned (EXIF orientation {told}) and was compared as it is "
        "stored; turn its pixels first, as exiftran -a does, where the other date is not"
    )


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
            (band,) = _bands(part, grid, page)
            named = band.description and not NO_NAME.fullmatch(band.description)
            bands.append(band if named else replace(band, name=str(number)))
    note = (
        f"the {len(pages)} pages of {redacted(path)} were taken as {len(pages)} bands; "
        f"--bands chooses, and GTIFF_DIR:1:{redacted(path)} is the first alone"
    )
    return File(bands=tuple(bands), notes=(note,))


def container(path: str, subdatasets: Sequence[str]) -> DataError:
    """The error for a file whose rasters are parts of it, with the names of these."""
    if not subdatasets:
        return _vector(path) or DataError(
            f"the image must have bands: {redacted(path)} has none; give another file"
        )
    names = ", ".join(redacted(name) for name in subdatasets[:SHOWN])
    more = f" and {len(subdatasets) - SHOWN} more" if len(subdatasets) > SHOWN else ""
    return DataError(
        f"the image must have bands: {redacted(path)} is a container; give one of its parts, or "
        f"several as a VRT (gdalbuildvrt -separate): {names}{more}"
    )


def not_a_raster(path: str, reason: str) -> DataError:
    """The error for what GDAL does not read as a raster."""
    item = _stac(path) or _archive(path)
    if item is not None:
        return item
    return _vector(path) or DataError(
        f"the image must be a raster GDAL reads: {redacted(path)}: {reason.rstrip('.')}; "
        "check the file, or convert it with gdal_translate"
    )


def _vector(path: str) -> DataError | None:
    if Path(path).suffix.lower() not in VECTORS:
        return None
    name = redacted(path)
    return DataError(
        f"an image or a mask must be a raster: {name} holds vector features; burn them: "
        f"gdal_rasterize -burn 1 -init 0 -ot Byte -tr XRES YRES {name} mask.tif"
    )


def _archive(path: str) -> DataError | None:
    """The error for a zip, with the files in it."""
    if Path(path).suffix.lower() != ".zip":
        return None
    try:
        with ZipFile(path) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/")]
    except (OSError, BadZipFile):
        return None
    shown = ", ".join(f"zip://{path}!{name}" for name in names[:SHOWN])
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return DataError(
        f"an image must be a raster: {path} is an archive; give a file in it: {shown}{more}"
    )


def _stac(path: str) -> DataError | None:
    """The error for a STAC item, with its assets that are rasters."""
    if Path(path).suffix.lower() not in {".json", ".geojson"}:
        return None
    try:
        item: Any = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(item, dict) or "stac_version" not in item:
        return None
    assets = item.get("assets", {})
    hrefs = [
        redacted(str(asset.get("href", "")))
        for asset in (assets.values() if isinstance(assets, dict) else ())
        if isinstance(asset, dict)
    ]
    named = f": {', '.join(hrefs[:SHOWN])}" if hrefs else ""
    return DataError(
        f"an image must be a raster: {redacted(path)} is a STAC {item.get('type', 'document')}; "
        f"give one of its assets, a VRT or a folder of them, or --stac{named}"
    )
