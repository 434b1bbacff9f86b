"""Quality: how much of a date is valid, saturated or hazy, and how low its values go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32
from scipy.ndimage import minimum_filter

from metriccd.raster import Band

# Stored values at which pixels of a type end: of 16 bits also those of 10, 11, 12 and 14 bits.
ENDS: dict[str, tuple[float, ...]] = {
    "uint8": (255,),
    "int16": (32767,),
    "uint16": (1023, 2047, 4095, 16383, 65535),
    "float32": (255, 65535),
    "float64": (255, 65535),
}
# Stored values that stand for missing pixels as a rule, though a file does not say so.
FILLS: dict[str, tuple[float, ...]] = {
    "int16": (-9999, -32768, -32767),
    "uint16": (65535,),
    "int32": (-9999, -99999, -(2**31)),
    "float32": (-9999, -99999, -32768, -32767),
    "float64": (-9999, -99999, -32768, -32767),
}
# Reflectance × 10,000 lies about here: its median, of any band.
REFLECTANCE = (50.0, 10_000.0)
# Side of the surroundings in which clear ground has something dark, and how bright the darkest of
# them is in haze: of reflectance × 10,000, and of 8 bits. Of the clear dates of OSCD less than 1 %
# is brighter, of aerial images of LEVIR-CD, SZTAKI and EGY-BCD less than 9 %.
PATCH = 15
BRIGHT_REFLECTANCE, BRIGHT_BYTES = 1500.0, 153.0
# Haze and clouds have no color: (largest − least) / largest of red, green and blue is below this.
COLORLESS = 0.3


@dataclass(frozen=True, kw_only=True)
class Quality:
    """What is known of one date's pixels, from some windows.

    Attributes:
        saturated: Share of valid pixels where a band is at the end of its range.
        hazy: Share of valid pixels that look hazy, cloudy, or like snow; None where nothing tells
            colors or the unit.
        lowest: The value that 99.9 % of the pixels exceed, of the band where it is lowest.
        reflectance: Whether values look like reflectance × 10,000.
        spread: Of each band, what lies between 5 and 95 % of the pixels.
        fill: A stored value that looks like fill, and the share of pixels that hold it in all
            bands; None where there is none.
    """

    saturated: float
    hazy: float | None
    lowest: float
    reflectance: bool
    spread: tuple[float, ...]
    fill: tuple[float, float] | None


def quality(
    parts: Sequence[tuple[Float32[np.ndarray, "band _row _col"], Bool[np.ndarray, "_row _col"]]],
    bands: Sequence[Band],
    rgb: tuple[int, int, int] | None,
    *,
    added: float = 0.0,
) -> Quality | None:
    """Looks at windows of one date; None where nothing is valid.

    Haze is told by the dark channel (He, Sun & Tang 2009): around every pixel of clear ground some
    pixel of some band is dark; where none is, and there is no color, there is haze, cloud or snow.

    Args:
        parts: Pixels and which are valid.
        bands: What the file says of its bands.
        rgb: Positions of red, green and blue, where these are known.
        added: What was added to the values.
    """
    pixels = np.concatenate([image[:, valid] for image, valid in parts], axis=1)
    if not pixels.size:
        return None
    hazy = None
    if rgb is not None:
        reflectance = _is_reflectance(pixels[list(rgb)])
        if reflectance or all(band.dtype == "uint8" for band in bands):
            bright = BRIGHT_REFLECTANCE if reflectance else BRIGHT_BYTES
            found = [_hazy(image[list(rgb)], valid, bright)[valid] for image, valid in parts]
            hazy = float(np.concatenate(found).mean())
    ended = [_ended(values, band, added) for values, band in zip(pixels, bands, strict=True)]
    low, high = np.percentile(pixels, (5, 95), axis=1)
    fill, filled = _fill(pixels, bands, added)
    return Quality(
        saturated=float((np.logical_or.reduce(ended) & ~filled).mean()),
        hazy=hazy,
        lowest=float(np.percentile(pixels, 0.1, axis=1).min()),
        reflectance=_is_reflectance(pixels),
        spread=tuple((high - low).tolist()),
        fill=None if fill is None else (fill, float(filled.mean())),
    )


def _is_reflectance(pixels: Float32[np.ndarray, "band pixel"]) -> bool:
    """Whether values look like reflectance × 10,000."""
    medians = np.median(pixels, axis=1)
    likely = (medians >= REFLECTANCE[0]) & (medians <= REFLECTANCE[1])
    return float(pixels.max()) > 255 and bool(likely.all())


def _ended(
    values: Float32[np.ndarray, " pixel"], band: Band, added: float
) -> Bool[np.ndarray, " pixel"]:
    """Pixels at the largest value of a band, where that is one at which its type ends."""
    ends = _measured(ENDS.get(band.dtype, ()), band, added)
    at_end: Bool[np.ndarray, " pixel"] = (values == values.max()) & bool(values.max() in ends)
    return at_end


def _fill(
    pixels: Float32[np.ndarray, "band pixel"], bands: Sequence[Band], added: float
) -> tuple[float | None, Bool[np.ndarray, " pixel"]]:
    """The stored value that most pixels hold in all bands, of those that are no measurement."""
    best, where = None, np.zeros(pixels.shape[1], np.bool_)
    for value in FILLS.get(bands[0].dtype, ()):
        read = [_measured((value,), band, added) for band in bands]
        held = (pixels == np.concatenate(read)[:, None]).all(axis=0)
        if held.sum() > where.sum():
            best, where = value, held
    return best, where


def _measured(stored: Sequence[float], band: Band, added: float) -> Float32[np.ndarray, " value"]:
    """Stored values as they are read."""
    values = (np.array(stored) * band.scale + band.offset).astype(np.float32) + np.float32(added)
    return np.asarray(values)


def _hazy(
    image: Float32[np.ndarray, "3 row col"], valid: Bool[np.ndarray, "row col"], bright: float
) -> Bool[np.ndarray, "row col"]:
    """Pixels in surroundings without anything dark, and without a color of their own."""
    least, most = image.min(axis=0), image.max(axis=0)
    dark = minimum_filter(np.where(valid, least, np.inf), PATCH)
    found: Bool[np.ndarray, "row col"] = (dark > bright) & (most - least < COLORLESS * most)
    return found
