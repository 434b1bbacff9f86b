"""The payload: what the page's script reads, packed so that the page stays small."""

from __future__ import annotations

import zlib
from base64 import b64encode
from io import BytesIO
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from PIL import Image

from metriccd.gis import CLUSTER_COLORS
from metriccd.kinds import BUILT, KINDS, WATER
from metriccd.report import pictures
from metriccd.report.data import ReportData
from metriccd.report.levels import Positions
from metriccd.report.pictures import CHANGE_RGB, NODATA_RGB
from metriccd.report.stretch import limits
from metriccd.scene import LONG_SIDE

# Characters of the whole page, before an evaluation adds its map: 4 MB with it.
PAGE = 3_450_000
# Of the score in it, at most. Fewer steps of the slider take less.
SCORE = 1_350_000
STEPS = (500, 250, 125, 60, 30, 15)
# Long side and quality of both dates, until they fit.
PICTURES = (
    *((LONG_SIDE, quality) for quality in (92, 85, 76, 66, 55)),
    *((1000, 66), (800, 60), (640, 50), (512, 40), (400, 30)),
)
# Long side of the outlines that show without JavaScript.
OUTLINES = 800


def payload(data: ReportData) -> tuple[dict[str, Any], Positions]:
    """What the page's script reads, but for pictures, and the thresholds that it knows."""
    for steps in STEPS:
        positions = Positions.of(data.levels, data.threshold, steps)
        score = packed_score(positions.codes(data.score))
        if len(score) <= SCORE:
            break
    present = [value for value, row in enumerate(data.levels) if row.any()] or [0]
    names = {kind.value: name for name, kind in KINDS.items()}
    return {
        "rows": data.score.shape[0],
        "cols": data.score.shape[1],
        "fullRows": data.grid.height,
        "fullCols": data.grid.width,
        "positions": positions.values,
        "own": positions.own,
        "score": score,
        # Floats hold every count up to 2⁵³, and JavaScript reads them as they are.
        "counts": deflated(positions.counts(data.levels)[present].astype("<f8").tobytes()),
        "valid": data.levels[present].sum(axis=1).tolist(),
        "kinds": [
            {"value": value, "name": names.get(value), "color": color_of(names.get(value))}
            for value in present
        ],
        "kindMap": None
        if data.kind_map is None
        else deflated(np.where(np.isnan(data.score), 0, data.kind_map).astype(np.uint8).tobytes()),
        "alone": [sorted(WATER), sorted(BUILT)],
        "limit": pictures.color_limit(data.score, data.threshold),
        "colors": base64(pictures.color_table().tobytes()),
        "changeColor": CHANGE_RGB,
        "nodataColor": NODATA_RGB,
        "connectivity": data.record.get("cleaning", {}).get("connectivity", 4),
        "least": data.record.get("cleaning", {}).get("least_pixels", 1),
        "objects": data.objects.rows,
        "objectCount": data.objects.count,
        "folder": data.folder,
    }, positions


def color_of(kind: str | None) -> tuple[int, int, int]:
    """Color of a kind of change; that of change where there is no kind."""
    return CHANGE_RGB if kind is None else KINDS[kind].color


def cluster_color(value: int) -> tuple[int, ...]:
    """Color of a cluster."""
    return CLUSTER_COLORS[value][:3]


def packed_score(codes: Int[np.ndarray, "row col"]) -> str:
    """Codes of `Positions` for the page: base64 of deflated bytes in two planes.

    The planes are the high and the low bytes of what a pixel differs from what its neighbors to
    the left and above let expect (the median of both and of their plane: Weinberger, Seroussi &
    Sapiro 2000), 0, -1, 1, -2 … being 0, 1, 2, 3 …. Bytes, not an image, because browsers that
    resist fingerprinting falsify pixels read from a canvas.
    """
    padded = np.pad(codes, ((1, 0), (1, 0)))
    left, above, corner = padded[1:, :-1], padded[:-1, 1:], padded[:-1, :-1]
    plane = left + above - corner
    expected = np.maximum(np.minimum(left, above), np.minimum(np.maximum(left, above), plane))
    step = codes - expected
    folded = np.where(step < 0, -2 * step - 1, 2 * step)
    return deflated(np.stack([folded >> 8, folded & 255]).astype(np.uint8).tobytes())


def packed_pictures(
    t1: Float[np.ndarray, "3 row col"], t2: Float[np.ndarray, "3 row col"], room: int
) -> tuple[str, str]:
    """Both dates as JPEG in base64, the best that take at most `room` characters together."""
    pair = ("", "")
    for long_side, quality in PICTURES:
        one, other = (
            base64(
                pictures.encode(
                    pictures.to_uint8(pictures.reduce(image, long_side=long_side)),
                    "jpeg",
                    quality=quality,
                )
            )
            for image in (t1, t2)
        )
        pair = one, other
        if len(one) + len(other) <= room:
            break
    return pair


def packed_outlines(score: Float[np.ndarray, "row col"], threshold: float) -> str:
    """PNG in base64 of outlines around change, transparent elsewhere."""
    small = pictures.reduce(score, long_side=OUTLINES, statistic="max")
    around = pictures.ring(small > threshold, radius=max(round(max(small.shape) / 600), 1))
    picture = Image.fromarray(around.astype(np.uint8), "P")
    picture.putpalette([0, 0, 0, *CHANGE_RGB])
    buffer = BytesIO()
    picture.save(buffer, "png", transparency=0, bits=1, optimize=True)
    return base64(buffer.getvalue())


def stretches(
    t1: Float[np.ndarray, "3 row col"], t2: Float[np.ndarray, "3 row col"]
) -> list[list[tuple[float, float]]]:
    """Slope and intercept of each band that stretch each date for itself."""
    return [
        [
            (1 / span, -low / span)
            for low, span in ((low, max(high - low, 1 / 255)) for low, high in ends.T.tolist())
        ]
        for ends in (limits(t1), limits(t2))
    ]


def deflated(content: bytes) -> str:
    """Base64 of deflated bytes."""
    # Of such planes runs tell as much as all that level 9 looks for, in a thirtieth of the time.
    packer = zlib.compressobj(6, zlib.DEFLATED, zlib.MAX_WBITS, 9, zlib.Z_RLE)
    return base64(packer.compress(content) + packer.flush())


def base64(content: bytes) -> str:
    """Base64 as text."""
    return b64encode(content).decode("ascii")
