"""Pictures of a result: overviews, error maps, encoded images and the four-panel preview.

Arrays in, pictures out; nothing here knows about files or pages. No data is painted grey.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from io import BytesIO
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float, Shaped, UInt8
from PIL import Image
from scipy.ndimage import binary_erosion, maximum_filter
from skimage.measure import block_reduce

from metriccd.gis import CHANGE, COLORS, SCORE_STOPS
from metriccd.scene import LONG_SIDE, factor_of

# Of a score that hides what is below it.
COLOR_MAP = "viridis"
CHANGE_RGB = COLORS[CHANGE][:3]
NODATA_RGB = (158, 158, 158)
# A thumbnail is as large as the first of these that keeps it small enough.
THUMBNAIL_SIDES, THUMBNAIL_BYTES = (1000, 800, 640, 512, 400), 300_000
# "paper" is the palette of Bandara & Patel's figures; "colorblind" keeps its hues in the variants
# of Okabe & Ito, Color Universal Design (2008).
ERROR_RGB = {
    "paper": {"TP": (0, 160, 0), "TN": (255, 255, 255), "FP": (220, 0, 0), "FN": (0, 0, 220)},
    "colorblind": {
        "TP": (0, 158, 115),
        "TN": (255, 255, 255),
        "FP": (213, 94, 0),
        "FN": (0, 114, 178),
    },
}

ERROR_MEANING = {
    "TP": "change, found",
    "TN": "no change, none found",
    "FP": "false alarm",
    "FN": "change, missed",
}


def reduce(
    array: Float[np.ndarray, "*band row col"],
    *,
    long_side: int = LONG_SIDE,
    statistic: Literal["mean", "max"] = "mean",
) -> Float[np.ndarray, "*band small_row small_col"]:
    """Overview of an array: one pixel for each block of k×k, k the smallest that fits.

    Use the mean for images. Use the maximum for scores: then `overview > threshold` holds exactly
    where any pixel of the block is change, so no change is too small to be seen, and the overview
    exaggerates its area instead. Count areas on the full array, never on an overview.

    Args:
        array: Values, NaN where invalid.
        long_side: Most rows or columns the overview may have.
        statistic: What stands for a block; invalid pixels do not take part.

    Returns:
        Overview, NaN where a block has no valid pixel; the array itself if it already fits.

    Raises:
        ValueError: `long_side` is below 1.
    """
    if long_side < 1:
        raise ValueError(f"long_side must be at least 1, got {long_side}: pass a size in pixels")
    height, width = array.shape[-2:]
    factor = factor_of((height, width), long_side)
    if factor == 1:
        return array
    block = (1,) * (array.ndim - 2) + (factor, factor)
    valid = ~np.isnan(array)
    count = _over_blocks(valid, block, np.sum, 0)
    if statistic == "max":
        value = _over_blocks(np.where(valid, array, -np.inf), block, np.max, -np.inf)
    else:
        value = _over_blocks(np.where(valid, array, 0.0), block, np.sum, 0) / np.maximum(count, 1)
    return np.where(count > 0, value, np.nan).astype(array.dtype)


def _over_blocks(
    array: Shaped[np.ndarray, "*shape"],
    block: tuple[int, ...],
    statistic: Callable[..., Any],
    beyond: float,
) -> Shaped[np.ndarray, "*small"]:
    """Statistic of each block; blocks that cross the edge are filled up with `beyond`."""
    value: Shaped[np.ndarray, "*small"] = block_reduce(array, block, statistic, cval=beyond)  # type: ignore[no-untyped-call]
    return value


def to_uint8(image: Float[np.ndarray, "3 row col"]) -> UInt8[np.ndarray, "3 row col"]:
    """Display bytes of an image in [0, 1]; grey where any band is NaN.

    Args:
        image: Red, green and blue; values outside [0, 1] are clipped.

    Returns:
        Rounded 8-bit image.
    """
    missing = np.isnan(image).any(axis=0)
    rgb: UInt8[np.ndarray, "3 row col"]
    rgb = np.rint(np.clip(np.nan_to_num(image), 0, 1) * 255).astype(np.uint8)
    rgb[:, missing] = np.array(NODATA_RGB, np.uint8)[:, None]
    return rgb


def error_map(
    change: Bool[np.ndarray, "row col"],
    reference: Bool[np.ndarray, "row col"],
    valid: Bool[np.ndarray, "row col"],
    palette: Literal["paper", "colorblind"] = "paper",
) -> UInt8[np.ndarray, "3 row col"]:
    """Picture of true and false positives and negatives, one color each.

    Args:
        change: Change map, True = change.
        reference: Ground truth, True = change.
        valid: True = usable; all else is grey.
        palette: Key of `ERROR_RGB`: true positives green, true negatives white, false positives
            red, false negatives blue, in the paper's or in the Okabe–Ito variants.

    Returns:
        Red, green and blue.
    """
    colors = ERROR_RGB[palette]
    rgb = np.empty((3, *change.shape), np.uint8)
    rgb[:] = np.array(NODATA_RGB, np.uint8)[:, None, None]
    for name, mask in (
        ("TP", change & reference),
        ("TN", ~change & ~reference),
        ("FP", change & ~reference),
        ("FN", ~change & reference),
    ):
        rgb[:, mask & valid] = np.array(colors[name], np.uint8)[:, None]
    return rgb


def shrunk(
    rgb: UInt8[np.ndarray, "3 row col"], *, long_side: int = LONG_SIDE
) -> UInt8[np.ndarray, "3 _row _col"]:
    """A picture at the size at which reports show it; each pixel mixes the colors of its block."""
    return to_uint8(reduce(rgb.astype(np.float32) / 255, long_side=long_side))


def overlay(
    image: Float[np.ndarray, "3 row col"], change: Bool[np.ndarray, "row col"]
) -> UInt8[np.ndarray, "3 row col"]:
    """Change tinted and outlined on an image.

    Args:
        image: Red, green and blue in [0, 1], NaN where invalid.
        change: Change map, True = change.

    Returns:
        Red, green and blue; pixels without change are those of `to_uint8`.
    """
    rgb = to_uint8(image)
    color = np.array(CHANGE_RGB, float)[:, None]
    rgb[:, change] = np.rint(0.55 * rgb[:, change] + 0.45 * color).astype(np.uint8)
    rgb[:, change & ~binary_erosion(change, border_value=1)] = color.astype(np.uint8)
    return rgb


def encode(
    rgb: UInt8[np.ndarray, "3 row col"],
    file_format: Literal["png", "jpeg"],
    *,
    quality: int = 82,
) -> bytes:
    """Image file in memory.

    Args:
        rgb: Red, green and blue.
        file_format: "png" keeps every value, "jpeg" is small.
        quality: Of a JPEG, up to 95; from 90 on colors are as sharp as brightness.

    Returns:
        The bytes of the file.
    """
    buffer = BytesIO()
    # PNG's default compression takes 2.6 times as long and saves a tenth.
    options: dict[str, Any] = {"compress_level": 1}
    if file_format == "jpeg":
        # Pillow cannot optimize pictures that are close to noise: its buffer is too small.
        options = {"quality": quality, "subsampling": 0 if quality >= 90 else 2}
    Image.fromarray(np.ascontiguousarray(np.moveaxis(rgb, 0, -1))).save(
        buffer, file_format, **options
    )
    return buffer.getvalue()


def thumbnail(
    rgb: UInt8[np.ndarray, "3 row col"],
    keep: Sequence[tuple[int, int, int]] = (CHANGE_RGB,),
    *,
    clear: bool = False,
) -> bytes:
    """A small PNG file of a picture, of 256 colors and at most `THUMBNAIL_BYTES`.

    Args:
        rgb: Red, green and blue.
        keep: Colors that mean something, and stay what they are.
        clear: The first of these is transparent.
    """
    picture = Image.fromarray(np.ascontiguousarray(np.moveaxis(rgb, 0, -1)))
    # The search for colors takes most of the time; a few of the pixels hold them all.
    few = picture.resize(
        (min(picture.width, 256), min(picture.height, 256)), Image.Resampling.NEAREST
    )
    found = few.quantize(256 - len(keep), dither=Image.Dither.NONE).getpalette() or []
    colors = Image.new("P", (1, 1))
    colors.putpalette([*(value for color in keep for value in color), *found])
    options = {"transparency": 0} if clear else {}
    content = b""
    for side in THUMBNAIL_SIDES:
        small = picture.copy()
        small.thumbnail((side, side), Image.Resampling.LANCZOS)
        buffer = BytesIO()
        small.quantize(palette=colors, dither=Image.Dither.NONE).save(buffer, "png", **options)
        content = buffer.getvalue()
        if len(content) <= THUMBNAIL_BYTES:
            break
    return content


def chip(
    image: Float[np.ndarray, "3 row col"], row: int, col: int, *, side: int
) -> UInt8[np.ndarray, "3 _row _col"]:
    """A square part of an image, moved into it where it reaches beyond.

    Args:
        image: Red, green and blue in [0, 1], NaN where invalid.
        row: Its first row.
        col: Its first column.
        side: Rows and columns; fewer where the image has fewer.
    """
    top, left = (
        max(min(first, length - side), 0)
        for first, length in zip((row, col), image.shape[1:], strict=True)
    )
    return to_uint8(image[:, top : top + side, left : left + side])


def color_limit(score: Float[np.ndarray, "row col"], threshold: float) -> float:
    """Score at which the color scale ends: the 99.5th percentile, or the threshold if higher.

    Args:
        score: Scores in [0, 1], NaN where invalid.
        threshold: Score above which a pixel is change.

    Returns:
        A number in (0, 1]; 1 where the score gives no scale.
    """
    values = score[~np.isnan(score)]
    limit = max(float(np.percentile(values, 99.5)) if values.size else 0.0, threshold)
    return min(limit, 1.0) if limit > 0 else 1.0


def color_table() -> UInt8[np.ndarray, "256 4"]:
    """Colors of the score over a picture, from 0 to `color_limit`: they begin transparent."""
    stops = np.array(list(SCORE_STOPS))
    levels = np.linspace(0, 1, 256)
    channels = np.array(list(SCORE_STOPS.values())).T
    table = np.stack([np.interp(levels, stops, channel) for channel in channels], axis=-1)
    rounded: UInt8[np.ndarray, "256 4"] = np.rint(table).astype(np.uint8)
    return rounded


def ring(change: Bool[np.ndarray, "row col"], radius: int = 1) -> Bool[np.ndarray, "row col"]:
    """Outlines around change, `radius` pixels wide: they hide none of it."""
    size = 2 * radius + 1
    around: Bool[np.ndarray, "row col"] = maximum_filter(change, size=size) & ~change
    return around
