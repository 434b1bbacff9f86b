"""The options of `detect`: what their text means, and what `detect_into` is told."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any

from metriccd.cli.arguments import (
    Device,
    Finding,
    Neighbors,
    Way,
    assets_of,
    level_of,
    listed,
    missing_value,
)
from metriccd.errors import choices
from metriccd.trust import MAX_PIXELS

# torch takes seconds to import: what needs it is imported when it is needed.

TRUE, FALSE = ("true", "yes", "1", "on"), ("false", "no", "0", "off")


def _flag(text: str) -> bool:
    if text.lower() not in (*TRUE, *FALSE):
        raise ValueError(f"must be true or false: got {text}")
    return text.lower() in TRUE


def _whole(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise ValueError(f"must be a whole number from 0: got {text[:40]}")
    return int(text)


def _size(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise ValueError(f"must be a number from 0: got {text[:40]}")
    return number


def _one_of(kind: type[Any]) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        names = [each.value for each in kind]
        if text not in names:
            raise ValueError(f"must be one of {choices(text, names)}: got {text[:40]}")
        return kind(text)

    return read


def _several(text: str) -> list[str]:
    return [part.strip() for part in text.split(";") if part.strip()]


# Long name of an option, with underscores → what its text means in a manifest: the same as on the
# command line, where flags have no text and masks are given one by one.
READERS: Mapping[str, Callable[[str], Any]] = {
    **dict.fromkeys(("preset", "method", "assets", "bands", "rgb", "band_names", "nodata"), str),
    **dict.fromkeys(("bbox", "bbox_crs", "aoi", "offset", "dates", "threshold", "kinds"), str),
    **dict.fromkeys(("simplify", "vector", "zones", "extractor", "checkpoint"), str),
    **dict.fromkeys(("stac", "coregister", "coregister_local"), _flag),
    **dict.fromkeys(("mask_dilate", "min_pixels", "fill_holes", "seed"), _whole),
    "min_area": _size,
    "mask": _several,
    "clouds": _one_of(Finding),
    "direction": _one_of(Way),
    "connectivity": _one_of(Neighbors),
    "device": _one_of(Device),
}

# What only the command line may say: what a manifest names is not trusted by what it says.
SAFEGUARDS = ("allow_remote", "max_pixels")


def arguments_of(said: Mapping[str, Any], *, whole: bool = True) -> dict[str, Any]:
    """Arguments of `detect_into`.

    Args:
        said: Options by their long names; what is missing or None is left to `detect_into`.
        whole: All is said: rows of a manifest may yet name a method, or its checkpoint.

    Raises:
        ValueError: There is no such method, rule, kind, format …
    """
    from metriccd.decision import Cleaning
    from metriccd.kinds import wanted_kinds
    from metriccd.methods import choose_device, choose_preset, with_checkpoint
    from metriccd.pair import bounds_of
    from metriccd.result import Products

    ways = ("local", said.get("coregister_local")), ("global", said.get("coregister"))
    known = {name: value for name, value in said.items() if value is not None}
    asked: dict[str, Any] = {
        "preset": known.get("preset", "default"),
        "method": known.get("method"),
        "bands": listed(known.get("bands")),
        "rgb": listed(known.get("rgb")),
        "masks": known.get("mask", ()),
        "mask_dilate": known.get("mask_dilate", 0),
        "bbox": known.get("bbox"),
        "bbox_crs": known.get("bbox_crs"),
        "aoi": known.get("aoi"),
        "coregister": next((way for way, wanted in ways if wanted), None),
        "offset": known.get("offset", "auto"),
        "assets": assets_of(bool(known.get("stac")), known.get("assets")),
        "clouds": "auto" if known.get("clouds") == Finding.AUTO else None,
        "nodata": missing_value(known.get("nodata")),
        "band_names": listed(known.get("band_names")),
        "dates": known.get("dates"),
        "direction": str(known.get("direction", "both")),
        "threshold": level_of(known.get("threshold", "auto")),
        "min_area": known.get("min_area", 0.0),
        "min_pixels": known.get("min_pixels"),
        "fill_holes": known.get("fill_holes", 0),
        "connectivity": 8 if known.get("connectivity") == Neighbors.EIGHT else 4,
        "kinds": listed(known.get("kinds")) or (),
        "extractor": known.get("extractor"),
        "checkpoint": known.get("checkpoint"),
        "device": str(known.get("device", "auto")),
        "seed": known.get("seed", 0),
        "allow_remote": known.get("allow_remote", False),
        "max_pixels": known.get("max_pixels", MAX_PIXELS),
    }
    preset = choose_preset(asked["preset"], asked["method"], asked["threshold"], asked["direction"])
    if whole:
        with_checkpoint(preset, asked["checkpoint"])
    choose_device(asked["device"])
    wanted_kinds(asked["kinds"])
    if asked["bbox"] is not None:
        bounds_of(asked["bbox"])
    if asked["offset"] != "auto":
        _require_finite(asked["offset"])
    Cleaning(min_area=asked["min_area"], min_pixels=asked["min_pixels"]).record()
    products = Products.of(
        vector=listed(known.get("vector")) or (),
        simplify=known.get("simplify", 0.0),
        zones=known.get("zones"),
    )
    return asked | {
        "vector": products.vector,
        "simplify": f"{products.simplify}{products.unit}",
        "zones": products.zones,
    }


def _require_finite(offset: str) -> None:
    try:
        finite = math.isfinite(float(offset))
    except ValueError:
        finite = False
    if not finite:
        raise ValueError(f"--offset must be auto or a finite number: got {offset}")


def with_options_of(
    command: Callable[..., None], *, but: tuple[str, ...]
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Gives a command the options of another one beside its own.

    Args:
        command: Whose options are taken.
        but: Those that are not.
    """

    def taken(other: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(other, eval_str=True)
        theirs = inspect.signature(command, eval_str=True).parameters
        named = [each for each in own.parameters.values() if each.kind is not each.VAR_KEYWORD]
        added = [
            each.replace(kind=each.KEYWORD_ONLY)
            for name, each in theirs.items()
            if name not in but and name not in own.parameters
        ]
        other.__signature__ = own.replace(parameters=[*named, *added])  # type: ignore[attr-defined]
        other.__annotations__ = {each.name: each.annotation for each in (*named, *added)}
        return other

    return taken
