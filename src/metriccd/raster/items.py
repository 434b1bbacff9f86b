"""STAC items as rasters: their assets, by key or common name, are the bands."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pystac

from metriccd.errors import DataError
from metriccd.raster.naming import Band
from metriccd.raster.source import Origin, Raster, bands_of

# Assets that are pictures of the image, not the image.
PICTURES = {"thumbnail", "overview", "visual"}
# From this baseline on Sentinel-2 products hold 1000 more, unless the catalog took it off.
BASELINE, OFFSET = "04.00", -1000.0
UNREADABLE = (OSError, ValueError, KeyError, TypeError, pystac.STACError, pystac.STACTypeError)


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
    origin = Origin(href=path, id=item.id, when=item.datetime, offset=_offset(item))
    return Raster(label=href, bands=tuple(bands), origin=origin)


def _item(href: str) -> pystac.Item:
    try:
        return pystac.Item.from_file(href)
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        pystac.STACError,
        pystac.STACTypeError,
    ) as error:
        if "://" not in href and not Path(href).exists():
            raise DataError(f"a STAC item must exist: {href} was not found") from None
        # pystac wraps what failed to be read in an error without its reason.
        reason = str(error.__cause__ or error).splitlines()[:1]
        raise DataError(
            f"a STAC item must be JSON of one item: {href}: {''.join(reason)[:200]}; "
            "give its own address, not that of a collection"
        ) from None


def _bands(item: pystac.Item, name: str, href: str) -> list[Band]:
    """The bands that a key or a common name stands for."""
    for key, asset in item.assets.items():
        if key.lower() == name.lower():
            bands = bands_of(_address(asset))
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
                return [_called(bands_of(_address(asset))[place], name)]
    raise DataError(
        f"no asset {name!r} in {href}: choose from {', '.join(item.assets) or 'none'}, "
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


def _address(asset: pystac.Asset) -> str:
    return asset.get_absolute_href() or asset.href


def _called(band: Band, name: str) -> Band:
    return replace(band, name=name)


def _offset(item: pystac.Item) -> float | None:
    """What is to be added to Sentinel-2's values; None for other images, and where nothing says."""
    said = item.properties
    platform = f"{said.get('constellation', '')} {said.get('platform', '')}".lower()
    if "sentinel-2" not in platform:
        return None
    if said.get("earthsearch:boa_offset_applied"):
        return 0.0
    for scale, offset in _scales(item):
        return round(offset / scale) if scale else None
    baseline = said.get("s2:processing_baseline", said.get("processing:version"))
    return None if baseline is None else OFFSET if str(baseline) >= BASELINE else 0.0


def _scales(item: pystac.Item) -> Iterator[tuple[float, float]]:
    """(scale, offset) of the bands that state both."""
    for asset in item.assets.values():
        fields = asset.extra_fields
        if "data" not in (asset.roles or ("data",)):
            continue
        for entry in (*fields.get("raster:bands", ()), *fields.get("bands", ()), fields):
            scale = entry.get("scale", entry.get("raster:scale"))
            offset = entry.get("offset", entry.get("raster:offset"))
            if (
                scale is not None
                and offset is not None
                and {"data"} & set(asset.roles or ("data",))
            ):
                yield float(scale), float(offset)
