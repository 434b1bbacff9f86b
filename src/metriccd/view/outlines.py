"""Outlines of objects as vector tiles, which show as much as a screen does.

The format is Mapbox's, version 2.1: protocol buffers, of which a tile needs three messages.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, cached_property

import numpy as np
import shapely
from jaxtyping import Float64, Int64, Shaped

from metriccd.review import Objects
from metriccd.view.pyramid import COARSEST, TILE, Pyramid

# Units along a side of a tile, and those beyond it that are drawn, too.
EXTENT, BUFFER = 4096, 64
# Pixels of the screen along a side of a vector tile; of the cells in which one object of a kind
# stands for all that are smaller; and below which an object is drawn as its box.
SCREEN, CELL, BOX = 512, 8, 3
# Parts of 1 in which scores are told.
PARTS = 1000
LAYER = "objects"
MOVE, LINE, CLOSE = 9, 2, 15
VERSION, POLYGON = b"\x02", b"\x03"


class Outlines:
    """Vector tiles of the objects of a scene."""

    def __init__(self, objects: Objects, pyramid: Pyramid) -> None:
        """Of objects on a pyramid."""
        self._objects, self._pyramid = objects, pyramid

    def tile(self, z: int, x: int, y: int) -> bytes:
        """A tile: outlines with the number of each object, its kind and its highest score.

        From far away, one object of each kind in a cell, that with the highest score, stands for
        all that are smaller than the cell: so filters by kind and score show what is there.
        """
        if not COARSEST - 1 <= z < self._pyramid.finest:
            return b""
        # A vector tile has the size of two by two tiles of pictures.
        side = TILE << (self._pyramid.finest - z)
        left, top = (side * number - self._pyramid.origin for number in (x, y))
        scale = EXTENT / side
        beyond = BUFFER / scale
        frame = (left - beyond, top - beyond, left + side + beyond, top + side + beyond)
        boxes = self._objects.boxes
        near = (boxes[:, 0] < frame[2]) & (boxes[:, 2] > frame[0])
        near &= (boxes[:, 1] < frame[3]) & (boxes[:, 3] > frame[1])
        places = np.flatnonzero(near)
        coarse = side / SCREEN
        if coarse > 1:
            small = self._spans[places] < CELL * coarse
            kept = self._standing(places[small], CELL * coarse)
            places = np.concatenate([kept, places[~small]])
        tiny = self._spans[places] < BOX * coarse * (coarse > 1)
        shapes = self._cut(places[~tiny], frame, coarse)
        rows = [*self._boxes(places[tiny], left, top, scale), *_drawn(shapes, left, top, scale)]
        return self._encoded(np.concatenate([places[tiny], places[~tiny]]), rows)

    @cached_property
    def _spans(self) -> Float64[np.ndarray, " object"]:
        """The longer side of each object's box."""
        boxes = self._objects.boxes
        return np.asarray((boxes[:, 2:] - boxes[:, :2]).max(axis=1, initial=0), np.float64)

    def _cut(
        self,
        places: Int64[np.ndarray, " object"],
        frame: tuple[float, float, float, float],
        coarse: float,
    ) -> Shaped[np.ndarray, " object"]:
        """Outlines within a frame; corners go that nobody would see.

        Args:
            places: Of the objects.
            frame: First column and row, last column and row.
            coarse: Pixels of the scene in one of the screen.
        """
        boxes, shapes = self._objects.boxes[places], self._objects.outlines[places]
        crossing = (boxes[:, 0] < frame[0]) | (boxes[:, 2] > frame[2])
        crossing |= (boxes[:, 1] < frame[1]) | (boxes[:, 3] > frame[3])
        if crossing.any():
            shapes = shapes.copy()
            shapes[crossing] = shapely.clip_by_rect(shapes[crossing], *frame)
        if coarse > 1 and len(places):
            shapes = shapely.simplify(shapes, coarse / 2, preserve_topology=False)
        return np.asarray(shapes, object)

    def _standing(self, places: Int64[np.ndarray, " object"], cell: float) -> np.ndarray:
        """Of small objects, the one with the highest score of each kind in each cell."""
        boxes = self._objects.boxes[places]
        column, row = (np.floor(boxes[:, :2].T / cell)).astype(np.int64)
        keys = (row * 2**24 + column) * 16 + self._objects.kinds[places]
        order = np.lexsort((-self._objects.score_max[places], keys))
        first = np.ones(len(order), bool)
        first[1:] = keys[order][1:] != keys[order][:-1]
        return places[order[first]]

    def _boxes(
        self, places: Int64[np.ndarray, " object"], left: float, top: float, scale: float
    ) -> list[bytes]:
        """Boxes of objects, at least a screen pixel wide, as geometries."""
        if not len(places):
            return []
        low = np.rint((self._objects.boxes[places, :2] - (left, top)) * scale).astype(np.int64)
        high = np.rint((self._objects.boxes[places, 2:] - (left, top)) * scale).astype(np.int64)
        size = np.maximum(high - low, EXTENT // SCREEN)
        zero = np.zeros(len(places), np.int64)
        numbers = np.stack(
            [
                *(zero + MOVE, _zigzag(low[:, 0]), _zigzag(low[:, 1]), zero + (3 << 3 | LINE)),
                *(_zigzag(size[:, 0]), zero, zero, _zigzag(size[:, 1]), _zigzag(-size[:, 0])),
                *(zero, zero + CLOSE),
            ],
            axis=1,
        )
        ends = np.full(len(places), numbers.shape[1]).cumsum()
        return _split(numbers.ravel(), ends)

    def _encoded(self, places: Int64[np.ndarray, " object"], rows: Sequence[bytes]) -> bytes:
        """A tile of geometries."""
        if not any(rows):
            return b""
        ids = _split(self._objects.ids[places], np.arange(1, len(places) + 1))
        scores = parts_of(self._objects.score_max[places])
        kinds = self._objects.kinds[places].astype(np.int64)
        values, named = np.unique(np.concatenate([scores, kinds]), return_inverse=True)
        pairs = zip(named[: len(ids)].tolist(), named[len(ids) :].tolist(), strict=True)
        features = [
            _feature(number, pair, geometry)
            for number, pair, geometry in zip(ids, pairs, rows, strict=True)
            if geometry
        ]
        head = _tag(15, 0) + VERSION + _field(1, LAYER.encode()) + b"".join(features)
        keys = _field(3, b"score") + _field(3, b"kind")
        told = (_field(4, _tag(5, 0) + _varint(value)) for value in values.tolist())
        return _field(3, head + keys + b"".join(told) + _tag(5, 0) + _varint(EXTENT))


def _feature(number: bytes, pair: tuple[int, int], geometry: bytes) -> bytes:
    """An outline with its number, and the places of its score and kind among the values."""
    size = len(geometry)
    content = b"".join(
        (b"\x08", number, _told(pair), SIZES[size] if size < MANY else _varint(size), geometry)
    )
    size = len(content)
    return b"".join((b"\x12", SIZES[size] if size < MANY else _varint(size), content))


@cache
def _told(pair: tuple[int, int]) -> bytes:
    """Score and kind of a feature, that it is an outline, and what comes before that."""
    tags = b"\x00" + _varint(pair[0]) + b"\x01" + _varint(pair[1])
    return _field(2, tags) + _tag(3, 0) + POLYGON + _tag(4, 2)


def parts_of(score: Float64[np.ndarray, " object"]) -> Int64[np.ndarray, " object"]:
    """Scores in parts of 1, so that `parts > k` holds where `score > k / PARTS`."""
    return np.asarray(np.ceil(np.clip(score, 0, 1) * PARTS), np.int64)


def _drawn(
    shapes: Shaped[np.ndarray, " object"], left: float, top: float, scale: float
) -> list[bytes]:
    """Geometries of outlines, on the units of a tile; empty where nothing is left of one."""
    parts, owners = shapely.get_parts(shapes, return_index=True)
    flat = shapely.get_type_id(parts) == shapely.GeometryType.POLYGON
    parts, owners = shapely.orient_polygons(parts[flat]), owners[flat]
    rings, of_part = shapely.get_rings(parts, return_index=True)
    xy, ring = shapely.get_coordinates(rings, return_index=True)
    found = [b""] * len(shapes)
    if not len(xy):
        return found
    units = np.rint((xy - (left, top)) * scale).astype(np.int64)
    # The last corner of a ring is its first; others may have come to lie on the one before.
    last = np.append(ring[1:] != ring[:-1], True)
    same = np.append(False, (ring[1:] == ring[:-1]) & (units[1:] == units[:-1]).all(axis=1))
    kept = ~(last | same)
    units, ring = units[kept], ring[kept]
    counts = np.bincount(ring, minlength=len(rings))
    whole = counts[ring] >= 3
    units, ring = units[whole], ring[whole]
    if not len(ring):
        return found
    owner = owners[of_part[ring]]
    fresh = np.append(True, owner[1:] != owner[:-1])
    before = np.vstack([np.zeros((1, 2), np.int64), units[:-1]])
    before[fresh] = 0
    steps = _zigzag(units - before)
    # Each ring: go to its first corner, draw lines to all others, close it.
    begins = np.flatnonzero(np.append(True, ring[1:] != ring[:-1]))
    corners = np.diff(np.append(begins, len(ring)))
    ends = (2 * corners + 3).cumsum()
    bases = ends - (2 * corners + 3)
    number = np.arange(len(ring)) - np.repeat(begins, corners)
    places = np.repeat(bases, corners) + 1 + 2 * number + (number > 0)
    stream = np.empty(ends[-1], np.int64)
    stream[places], stream[places + 1] = steps.T
    stream[bases], stream[bases + 3], stream[ends - 1] = MOVE, (corners - 1) << 3 | LINE, CLOSE
    ring_owner = owner[begins]
    final = np.append(ring_owner[1:] != ring_owner[:-1], True)
    for place, content in zip(ring_owner[final].tolist(), _split(stream, ends[final]), strict=True):
        found[place] = content
    return found


def _zigzag(value: Int64[np.ndarray, "*shape"]) -> Int64[np.ndarray, "*shape"]:
    """Whole numbers as those from 0 on, small ones first."""
    return (value << 1) ^ (value >> 63)


def _split(numbers: Int64[np.ndarray, " number"], ends: Int64[np.ndarray, " part"]) -> list[bytes]:
    """Numbers as bytes of seven bits each, in parts that end before the given places."""
    sizes = 1 + np.stack([numbers >> shift > 0 for shift in range(7, 35, 7)]).sum(axis=0)
    after = sizes.cumsum()
    content = np.empty(after[-1], np.uint8)
    for part in range(int(sizes.max())):
        long = sizes > part
        more = (sizes[long] > part + 1) << 7
        content[(after - sizes)[long] + part] = (numbers[long] >> 7 * part) & 127 | more
    data, stops = content.tobytes(), after[ends - 1].tolist()
    return [data[start:stop] for start, stop in zip([0, *stops], stops, strict=False)]


def _field(number: int, content: bytes) -> bytes:
    return _tag(number, 2) + _varint(len(content)) + content


def _tag(number: int, kind: int) -> bytes:
    return _varint(number << 3 | kind)


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    found.append(value)
    return bytes(found)


# Sizes that most outlines have.
MANY = 512
SIZES = [_varint(size) for size in range(MANY)]
