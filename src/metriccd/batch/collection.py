"""Collections of STAC items as manifests: for each place, its items by date, each with the next."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from metriccd.batch.table import Rows
from metriccd.errors import DataError

# Properties by which catalogs name a place, the first that an item has.
PLACES = (("grid:code",), ("s2:mgrs_tile",), ("landsat:wrs_path", "landsat:wrs_row"))
# Digits of degrees, about ten meters, to which footprints of one place agree.
DIGITS = 4
LARGEST = 1 << 30
# Bytes of an id that is made, and what is not in it.
LONGEST, STRANGE = 120, re.compile(r"[^\w.-]+")


def read_collection(path: Path, items: Path, texts: dict[Path, str], allow_remote: bool) -> Rows:
    """Pairs of a FeatureCollection of items, numbered from 1 as its features are.

    Each item is to be a file, as `detect` takes one.

    Args:
        path: The collection.
        items: Folder for the files.
        texts: Is given the files and their texts.
        allow_remote: Whether what it names may be read, wherever that lies.

    Raises:
        DataError: It is no collection of items, an item has no date or place, or it is not trusted.
    """
    if not allow_remote and path.is_file():
        raise DataError(
            f"what a file names is opened unasked only within its own folder: {path} names images "
            "of its own accord; --allow-remote says that you trust it"
        )
    features = _features(path)
    places: dict[str, list[tuple[str, int, Mapping[str, Any]]]] = {}
    for number, item in enumerate(features, start=1):
        place, when = _place(item), item["properties"].get("datetime")
        if not place or not isinstance(when, str) or not isinstance(item.get("id"), str):
            raise DataError(
                f"{path.name}, feature {number}: an item must have an id, a datetime, and a place "
                "(grid:code, s2:mgrs_tile, landsat:wrs_path and row, or a bbox); leave it out"
            )
        places.setdefault(place, []).append((when, number, item))
    made: dict[int, str] = {}
    for place, found in sorted(places.items()):
        dated = sorted(found, key=lambda each: each[:2])
        for (_, one, before), (_, other, after) in pairwise(dated):
            for number, item in ((one, before), (other, after)):
                if number not in made:
                    file, text = _file(path, number, item, items)
                    texts[file], made[number] = text, str(file)
            dates = "-".join(each["properties"]["datetime"][:10] for each in (before, after))
            # The number tells it from all others, whatever of the rest is cut off.
            end = f"-{other}"
            name = cut(STRANGE.sub("_", f"{place}-{dates}"), LONGEST - len(end)) or "pair"
            yield (
                other,
                {
                    "id": f"{name}{end}",
                    "t1": made[one],
                    "t2": made[other],
                    "stac": True,
                    "place": place,
                    "item_t1": before["id"],
                    "item_t2": after["id"],
                },
            )


def cut(text: str, longest: int) -> str:
    """The beginning of a text, of at most so many bytes, as the name of a folder may be."""
    return text.encode()[:longest].decode(errors="ignore").strip("-. ")


def _features(path: Path) -> Sequence[Mapping[str, Any]]:
    try:
        if path.stat().st_size > LARGEST:
            raise DataError(f"a collection must be of at most 1 GiB: {path} is larger; split it")
        found = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise DataError(f"the manifest must be readable: {path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        reason = str(error).splitlines()[0][:200]
        raise DataError(f"a collection must be JSON in UTF-8: {path}: {reason}") from None
    features = found.get("features") if isinstance(found, dict) else None
    if not isinstance(features, list) or not all(map(_is_item, features)):
        raise DataError(
            f"a manifest in JSON must be a FeatureCollection of STAC items: {path} is not; "
            "give pairs as CSV or JSON Lines"
        )
    return features


def _is_item(feature: Any) -> bool:
    """Whether a feature has the parts of an item, of the types that STAC gives them."""
    kinds = {"properties": dict, "assets": dict, "links": list}
    return (
        isinstance(feature, dict)
        and "stac_version" in feature
        and all(isinstance(feature.setdefault(k, kind()), kind) for k, kind in kinds.items())
    )


def _place(item: Mapping[str, Any]) -> str | None:
    said = item["properties"]
    for names in PLACES:
        if all(said.get(name) not in (None, "") for name in names):
            return "-".join(str(said[name]) for name in names)
    corners = item.get("bbox")
    if not isinstance(corners, list) or len(corners) < 4:
        return None
    try:
        return "bbox " + " ".join(f"{float(value):.{DIGITS}f}" for value in corners)
    except (TypeError, ValueError, OverflowError):
        return None


def _file(path: Path, number: int, item: Mapping[str, Any], items: Path) -> tuple[Path, str]:
    """The file of an item and its text, in which assets are named from anywhere."""
    assets = dict(_assets(item["assets"], _self_of(item) or str(path.absolute())))
    name = f"{number}-{re.sub(r'[^A-Za-z0-9_.-]+', '_', item['id'])[:80]}.json"
    text = json.dumps({**item, "assets": assets, "links": []}, sort_keys=True)
    return items.absolute() / name, text


def _assets(assets: Mapping[str, Any], base: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for key, asset in assets.items():
        href = asset.get("href") if isinstance(asset, dict) else None
        if not isinstance(href, str):
            continue
        if "://" in base and "://" not in href:
            href = f"{base.rsplit('/', 1)[0]}/{href.removeprefix('./')}"
        elif "://" not in href:
            href = str(Path(base).parent / href)
        elif href.startswith("file://"):
            href = href.removeprefix("file://")
        yield key, {**asset, "href": href}


def _self_of(item: Mapping[str, Any]) -> str | None:
    """The address an item has given itself, to which names of its assets are relative."""
    for link in item["links"]:
        href = link.get("href") if isinstance(link, dict) and link.get("rel") == "self" else None
        if isinstance(href, str) and ("://" in href or Path(href).is_absolute()):
            return href
    return None
