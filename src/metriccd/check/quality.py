"""Quality: how much of a date is valid, saturated or hazy, and how low its values go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32

# Values at which sensors and files of 8 and 16 bits end.
ENDS = (255.0, 65535.0)
# Reflectance × 10,000 lies about here: its median, of any band.
REFLECTANCE = (50.0, 10_000.0)
# Haze where blue − red/2 exceeds this reflectance (Zhang et al. 2002, as in Fmask).
HAZE = 0.08


@dataclass(frozen=True, kw_only=True)
class Quality:
    """What is known of one date's pixels, from some windows.

    Attributes:
        saturated: Share of valid pixels where a band is at the end of its range.
        hazy: Share of valid pixels that look hazy, cloudy or very bright; None where values are
            no reflectance.
        lowest: The value that 99.9 % of the pixels exceed, of the band where it is lowest.
        reflectance: Whether values look like reflectance × 10,000.
    """

    saturated: float
    hazy: float | None
    lowest: float
    reflectance: bool


def quality(
    parts: Sequence[tuple[Float32[np.ndarray, "band _row _col"], Bool[np.ndarray, "_row _col"]]],
    colors: tuple[int, int] | None,
) -> Quality | None:
    """Looks at windows of one date; None where nothing is valid.

    Args:
        parts: Pixels and which are valid.
        colors: Positions of red and blue, where these are known.
    """
    pixels = np.concatenate([image[:, valid] for image, valid in parts], axis=1)
    if not pixels.size:
        return None
    top = float(pixels.max())
    saturated = float((pixels >= top).any(axis=0).mean()) if top in ENDS else 0.0
    medians = np.median(pixels, axis=1)
    reflectance = top > 255 and bool(
        ((medians >= REFLECTANCE[0]) & (medians <= REFLECTANCE[1])).all()
    )
    hazy = None
    if reflectance and colors is not None:
        red, blue = (pixels[color] / 10_000 for color in colors)
        hazy = float((blue - red / 2 > HAZE).mean())
    return Quality(
        saturated=saturated,
        hazy=hazy,
        lowest=float(np.percentile(pixels, 0.1, axis=1).min()),
        reflectance=reflectance,
    )
