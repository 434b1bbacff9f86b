"""Encoding: pixels as PNG, pictures to be seen and numbers that the page colors."""

from __future__ import annotations

from functools import cache
from io import BytesIO

import numpy as np
from jaxtyping import Bool, Float32, UInt8
from PIL import Image

from metriccd.view.pyramid import TILE

# A score s is the number 1 + ⌈s · TOP⌉ of two bytes; 0 is no data.
TOP = 65_534
# The page reads numbers as heights, of which this many are added.
SHIFT = 32_768
NODATA = 255


def encode_colors(rgb: UInt8[np.ndarray, "3 row col"], valid: Bool[np.ndarray, "row col"]) -> bytes:
    """A picture, transparent where not valid."""
    height, width = valid.shape
    tile = np.zeros((TILE, TILE, 4), np.uint8)
    tile[:height, :width, :3] = np.moveaxis(rgb, 0, -1)
    tile[:height, :width, 3] = 255 * valid
    return png(Image.fromarray(tile))


def encode_score(
    score: Float32[np.ndarray, "row col"], valid: Bool[np.ndarray, "row col"]
) -> bytes:
    """Numbers of two bytes in red and green."""
    number = 1 + np.ceil(np.clip(score, 0, 1).astype(np.float64) * TOP)
    number = np.where(valid, number, 0).astype(np.uint16)
    height, width = valid.shape
    tile = np.zeros((TILE, TILE, 3), np.uint8)
    tile[:height, :width, 0] = number >> 8
    tile[:height, :width, 1] = number & 255
    return png(Image.fromarray(tile))


def encode_classes(values: UInt8[np.ndarray, "row col"]) -> bytes:
    """Classes, from height 0 on: a byte a pixel, and a palette that makes the number of each."""
    height, width = values.shape
    tile = np.full((TILE, TILE), NODATA, np.uint8)
    tile[:height, :width] = values
    picture = Image.fromarray(tile)
    picture.putpalette([part for value in range(256) for part in (SHIFT >> 8, value, 0)])
    return png(picture)


@cache
def empty(kind: str) -> bytes:
    """A tile of nothing, of colors, of a score, or of classes."""
    nothing = np.zeros((1, 1), bool)
    if kind == "colors":
        return encode_colors(np.zeros((3, 1, 1), np.uint8), nothing)
    if kind == "score":
        return encode_score(np.zeros((1, 1), np.float32), nothing)
    return encode_classes(np.full((1, 1), NODATA, np.uint8))


def png(picture: Image.Image) -> bytes:
    """A picture as a file, packed quickly rather than well."""
    buffer = BytesIO()
    picture.save(buffer, "png", compress_level=1)
    return buffer.getvalue()
