"""Geometry: outlines as a GeoPackage stores them, and what tells one from others."""

from __future__ import annotations

import struct

import numpy as np
import shapely

# Of a geometry in a GeoPackage: little endian, without an envelope; and bytes of the envelopes.
HEADER, ENVELOPES = struct.Struct("<2sBBi"), (0, 32, 48, 48, 64)
# Differences of coordinates that are none, in shares of a pixel.
SAME = 1e-3


def signatures(shapes: np.ndarray, pixel: float) -> list[tuple[int, ...]]:
    """What tells an outline from others: its box, length and area, in parts of a pixel."""
    step = pixel * SAME
    figures = np.column_stack(
        [
            shapely.bounds(shapes).reshape(-1, 4) / step,
            shapely.length(shapes) / step,
            shapely.area(shapes) / (step * pixel),
        ]
    )
    return [tuple(row) for row in np.rint(np.nan_to_num(figures)).astype(np.int64).tolist()]


def blob_of(shape: object, srs: int) -> bytes:
    """An outline as a GeoPackage stores it."""
    return HEADER.pack(b"GP", 0, 1, srs) + bytes(shapely.to_wkb(shape))


def shape_of(blob: object) -> object:
    """What a GeoPackage stores, as an outline; None where it is none."""
    if not isinstance(blob, bytes) or len(blob) < HEADER.size:
        return None
    envelope = blob[3] >> 1 & 7
    size = ENVELOPES[envelope] if envelope < len(ENVELOPES) else 0
    return shapely.from_wkb(blob[HEADER.size + size :], on_invalid="ignore")
