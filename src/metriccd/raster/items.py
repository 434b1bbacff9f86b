"""STAC items as rasters, whose assets are the bands; and bands of classes: SCL, QA_PIXEL, UDM2."""

from __future__ import annotations

import math
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pystac
from pystac.stac_io import DefaultStacIO

from metriccd.errors import DataError
from metriccd.raster.arrays import Image, as_raster
from metriccd.raster.bands import Band, identified
from metriccd.raster.opening import bands_of
from metriccd.raster.paths import redacted
from metriccd.raster.settings import patience
from metriccd.raster.source import BAND_SUFFIXES, Origin, Raster, open_raster
from metriccd.trust import require_file

# Assets that are pictures of the image, not the image.
PICTURES = {"thumbnail", "overview", "visual"}
# From this baseline on Sentinel-2 products hold 1000 more, unless the catalog took it off.
BASELINE, OFFSET = "04.00", -1000.0
UNREADABLE = (
    *(OSError, HTTPException, ValueError, KeyError, TypeError, AttributeError, RecursionError),
    *(pystac.STACError, pystac.STACTypeError),
)
# Where an asset tells of its bands.
BANDS = ("bands", "eo:bands", "raster:bands")
# An item is a page of text.
MAX_BYTES, CHUNK = 2**24, 2**16


class _Patient(DefaultStacIO):
    """Reads text from files, and from servers that answer in time."""

    def read_text_from_href(self, href: str) -> str:
        """The text behind a path or an address.

        Raises:
            DataError: It is neither a file nor an address, or longer than an item is.
            OSError: It cannot be read, or not in time.
        """
        local = href.removeprefix("file://")
        if "://" not in local:
            require_file(local)
            with Path(local).open("rb") as stream:
                return _text(stream.read(MAX_BYTES + 1), href)
        if not href.lower().startswith(("http://", "https://")):
            raise DataError(f"a STAC item is a file or at http: got {redacted(href)}; save it")
        stall, whole = patience()
        end, found = time.monotonic() + whole, b""
        with urlopen(Request(href, headers=self.headers or {}), timeout=stall) as reply:
            while chunk := reply.read1(CHUNK):
                found += chunk
                if time.monotonic() > end:
                    raise TimeoutError(f"no end within {whole:g} s")
                if len(found) > MAX_BYTES:
                    break
        return _text(found, href)


def _text(found: bytes, href: str) -> str:
    if len(found) > MAX_BYTES:
        raise DataError(
            f"a STAC item must be of at most {MAX_BYTES >> 20} MiB: {redacted(href)} is larger; "
            "give its own address, not that of a collection"
        )
    return found.decode()


def open_item(source: str | os.PathLike[str], assets: Sequence[str]) -> Raster:
    """Opens a STAC item's assets as the bands of one image; pixels are read when asked for.

    Args:
        source: Path or URL of an item (JSON).
        assets: Keys of assets, or common names ("red", "nir") of their bands (`eo:bands` of STAC
            1.0, `bands` of 1.1).

    Raises:
        DataError: Not a readable item, or no such asset.
    """
    href = os.fspath(source)
    item = _item(href)
    bands = [band for name in assets for band in _bands(item, name.strip(), href)]
    path = href if "://" in href else Path(href).resolve().as_posix()
    known, _ = identified(bands, [item.id])
    origin = Origin(href=redacted(path), id=item.id, when=item.datetime, offset=_offset(item))
    return Raster(label=redacted(href), bands=known, origin=origin)


def _item(href: str) -> pystac.Item:
    try:
        return _plain(pystac.Item.from_file(href, stac_io=_Patient()))
    except UNREADABLE as error:
        if "://" not in href and not Path(href).exists():
            raise DataError(f"a STAC item must exist: {redacted(href)} was not found") from None
        # pystac wraps what failed to be read in an error without its reason.
        reason = str(error.__cause__ or error).splitlines()[:1]
        raise DataError(
            f"a STAC item must be JSON of one item: {redacted(href)}: "
            f"{redacted(''.join(reason))[:200]}; "
            "give its own address, not that of a collection"
        ) from None


def _plain(item: pystac.Item) -> pystac.Item:
    """The item, where what is read of it has the types that STAC gives it; pystac takes any.

    Raises:
        TypeError: Something has not.
    """
    if not isinstance(item.id, str):
        raise TypeError("its id is no text")
    for key, asset in item.assets.items():
        fields = asset.extra_fields
        told = [each for name in BANDS for each in fields.get(name) or ()]
        if not all(isinstance(each, Mapping) for each in told):
            raise TypeError(f"bands of its asset {key:.40} are no objects")
        roles = asset.roles or []
        if not (isinstance(roles, list) and all(isinstance(role, str) for role in roles)):
            raise TypeError(f"roles of its asset {key:.40} are no texts")
        if not isinstance(asset.href, str):
            raise TypeError(f"the address of its asset {key:.40} is no text")
    return item


def _bands(item: pystac.Item, name: str, href: str) -> list[Band]:
    """The bands that a key or a common name stands for."""
    for key, asset in item.assets.items():
        if key.lower() == name.lower():
            bands = _bands_in(asset, href)
            if len(bands) == 1:
                return [_called(bands[0], name)]
            names = [_names(entry)[:1] or [str(n)] for n, entry in enumerate(_entries(asset), 1)]
            if len(names) != len(bands):
                return list(bands)
            return [_called(band, own[0]) for band, own in zip(bands, names, strict=True)]
    # An asset of one band is the band itself; one of several may be a mosaic or a stack.
    for asset in sorted(item.assets.values(), key=lambda asset: len(_entries(asset))):
        if PICTURES & set(asset.roles or ()):
            continue
        for place, entry in enumerate(_entries(asset)):
            if name.lower() in _names(entry):
                bands = _bands_in(asset, href)
                if place >= len(bands):
                    raise DataError(
                        f"an asset must have the bands that its item tells: {name} is number "
                        f"{place + 1} of {redacted(asset.href)}, which has {len(bands)}; correct it"
                    )
                return [_called(bands[place], name)]
    raise DataError(
        f"no asset {name!r} in {redacted(href)}: choose from {', '.join(item.assets) or 'none'}, "
        "or common names of their bands"
    )


def _entries(asset: pystac.Asset) -> Sequence[Mapping[str, Any]]:
    """What an asset says of its bands."""
    fields = asset.extra_fields
    return list(fields.get("bands") or fields.get("eo:bands") or ())


def _names(entry: Mapping[str, Any]) -> list[str]:
    """Common name and name of a band."""
    found = (entry.get("eo:common_name"), entry.get("common_name"), entry.get("name"))
    return [str(name).lower() for name in found if name]


def _bands_in(asset: pystac.Asset, href: str) -> tuple[Band, ...]:
    return bands_of(asset.get_absolute_href() or asset.href, item=href).bands


def _called(band: Band, name: str) -> Band:
    return replace(band, name=name, description=name)


def _offset(item: pystac.Item) -> float | None:
    """What is to be added to Sentinel-2's values; None for other images, and where nothing says."""
    said = item.properties
    platform = f"{said.get('constellation', '')} {said.get('platform', '')}".lower()
    if "sentinel-2" not in platform:
        return None
    if said.get("earthsearch:boa_offset_applied"):
        return 0.0
    for scale, offset in _scales(item):
        stored = offset / scale if scale else math.nan
        return round(stored) if math.isfinite(stored) else None
    baseline = said.get("s2:processing_baseline", said.get("processing:version"))
    return None if baseline is None else OFFSET if str(baseline) >= BASELINE else 0.0


def _scales(item: pystac.Item) -> Iterator[tuple[float, float]]:
    """(scale, offset) of the bands that state both."""
    for asset in item.assets.values():
        fields = asset.extra_fields
        if "data" not in (asset.roles or ("data",)):
            continue
        for entry in (*(fields.get("raster:bands") or ()), *(fields.get("bands") or ()), fields):
            scale = entry.get("scale", entry.get("raster:scale"))
            offset = entry.get("offset", entry.get("raster:offset"))
            numbers = all(isinstance(told, int | float) for told in (scale, offset))
            if numbers and {"data"} & set(asset.roles or ("data",)):
                yield float(scale), float(offset)


def class_band(image: Image, label: str, scheme: str) -> Raster | None:
    """The band of classes of an image, or None where it has none.

    Args:
        image: What the user gave: in a folder a file named like `*_SCL_20m.jp2` is looked for, of
            the finest resolution, in a STAC item an asset, elsewhere a band of that name.
        label: What to call it in messages.
        scheme: "SCL", "QA_PIXEL" or "UDM2".

    Raises:
        DataError: The image cannot be read.
    """
    if isinstance(image, str | os.PathLike) and Path(image).is_dir():
        named = re.compile(rf"(?:^|[_.-]){scheme}(?:[_.-]\d+m)?", re.IGNORECASE)
        found = [
            open_raster(file)
            for file in sorted(Path(image).rglob("*"))
            if file.suffix.lower() in BAND_SUFFIXES
            and not file.name.startswith(".")
            and (match := named.search(file.stem))
            and match.end() == len(file.stem)
        ]
        return min(found, key=lambda raster: raster.grid.pixel_size, default=None)
    if isinstance(image, str | os.PathLike) and Path(image).suffix == ".json":
        with suppress(DataError):
            return open_item(image, [scheme])
        return None
    raster = as_raster(image, label)
    names = [{band.name.upper(), band.description.upper()} for band in raster.bands]
    if not any(scheme in name for name in names):
        return None
    return raster.select([scheme])
