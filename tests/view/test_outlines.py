"""Outlines: vector tiles that GDAL reads, with every object where it is, or what stands for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyogrio
import shapely
from affine import Affine

from metriccd.raster import Grid
from metriccd.review import Objects
from metriccd.view.outlines import CELL, EXTENT, LAYER, SCREEN, Outlines, parts_of
from metriccd.view.pyramid import TILE, Pyramid

# Half the circumference of the Earth in the CRS that GDAL takes tiles to be in.
WORLD = 20037508.342789244


def objects_of(shapes: list[shapely.Geometry], **more: np.ndarray) -> Objects:
    count = len(shapes)
    outlines = np.array(shapes, object)
    pixels = np.rint(shapely.area(outlines)).astype(np.int64)
    columns = {
        "ids": np.arange(1, count + 1),
        "pixels": pixels,
        "sizes": pixels.astype(float),
        "in_meters": False,
        "score_mean": np.full(count, 0.7),
        "score_max": np.linspace(0.5, 1, count),
        "strength": np.zeros(count),
        "kinds": (np.arange(count) % 5).astype(np.uint8),
        "shapes": outlines,
        "outlines": outlines,
        "boxes": shapely.bounds(outlines).reshape(-1, 4),
    }
    return Objects(**(columns | more))


def pyramid_of(side: int) -> Pyramid:
    return Pyramid(grid=Grid(height=side, width=side, transform=Affine.identity(), crs=None))


def read(
    content: bytes, pyramid: Pyramid, z: int, x: int, y: int, folder: Path
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """What GDAL makes of a tile: outlines in pixels of the scene, and their columns by id."""
    # The name of the folders tells GDAL no place: a tile 0/0/0 is the world.
    path = folder / "0" / "0" / "0.pbf"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    meta, _, wkb, columns = pyogrio.raw.read(path, layer=LAYER)
    side = TILE << (pyramid.finest - z)
    corner = np.array([x, y]) * side - pyramid.origin

    def placed(xy: np.ndarray) -> np.ndarray:
        return (xy * (1, -1) + WORLD) / (2 * WORLD) * side + corner

    shapes = shapely.transform(shapely.from_wkb(wkb), placed)
    return shapes, dict(zip(meta["fields"], columns, strict=True))


def ring(col: int, row: int, size: int) -> shapely.Geometry:
    """A square with a hole, and a step in its outline."""
    outer = [(0, 0), (size, 0), (size, size - 2), (size - 2, size - 2), (size - 2, size), (0, size)]
    inner = [(2, 2), (2, 4), (4, 4), (4, 2)]
    return shapely.transform(
        shapely.Polygon(outer, [inner]), lambda xy: xy + np.array([col, row], float)
    )


def test_at_full_size_every_outline_is_exact(tmp_path: Path) -> None:
    shapes = [ring(10, 20, 30), ring(100, 7, 9), shapely.box(300, 300, 301, 301)]
    shapes.append(shapely.MultiPolygon([shapely.box(60, 60, 70, 70), shapely.box(70, 70, 75, 79)]))
    objects, pyramid = objects_of(shapes), pyramid_of(500)
    z = pyramid.finest - 1
    x = pyramid.origin // (2 * TILE)
    content = Outlines(objects, pyramid).tile(z, x, x)
    found, columns = read(content, pyramid, z, x, x, tmp_path)
    order = np.argsort(columns["mvt_id"])
    assert columns["mvt_id"][order].tolist() == [1, 2, 3, 4]
    assert columns["kind"][order].tolist() == [0, 1, 2, 3]
    assert columns["score"][order].tolist() == parts_of(objects.score_max).tolist()
    for shape, expected in zip(found[order], objects.outlines, strict=True):
        assert shape.is_valid
        assert shapely.symmetric_difference(shape, expected).area < 1e-6 * expected.area


def test_what_crosses_a_border_is_in_both_tiles_and_cut_beyond(tmp_path: Path) -> None:
    pyramid = pyramid_of(2000)
    objects = objects_of([ring(500, 500, 1000)])
    z = pyramid.finest - 1
    first = pyramid.origin // (2 * TILE)
    whole = []
    for x in range(4):
        for y in range(4):
            content = Outlines(objects, pyramid).tile(z, first + x, first + y)
            shapes, _ = (
                read(content, pyramid, z, first + x, first + y, tmp_path)
                if content
                else (
                    [],
                    {},
                )
            )
            frame = shapely.box(512 * x, 512 * y, 512 * (x + 1), 512 * (y + 1))
            for shape in shapes:
                assert shapely.buffer(frame, 8.01).contains(shape)
                whole.append(shapely.intersection(shape, frame))
    union = shapely.union_all(whole)
    assert shapely.symmetric_difference(union, objects.outlines[0]).area < 1


def test_from_far_away_one_of_each_kind_stands_for_all_in_a_cell(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    corners = random.integers(0, 4000, (20_000, 2))
    shapes = [shapely.box(c, r, c + 2, r + 2) for c, r in corners.tolist()]
    score = random.uniform(0.5, 1, len(shapes))
    objects = objects_of(shapes, score_max=score)
    pyramid = pyramid_of(4096)
    content = Outlines(objects, pyramid).tile(1, 0, 0)
    shapes, columns = read(content, pyramid, 1, 0, 0, tmp_path)
    side = TILE << (pyramid.finest - 1)
    cell = CELL * side / SCREEN
    # Whatever kinds and threshold the page shows, a cell has an object where it holds any.
    for kinds in ([0, 1, 2, 3, 4], [3], [1, 4]):
        for least in (500, 800, 990):
            wanted = np.isin(objects.kinds, kinds) & (parts_of(score) > least)
            cells = {tuple(each) for each in (objects.boxes[wanted, :2] // cell).tolist()}
            kept = np.isin(columns["kind"], kinds) & (columns["score"] > least)
            places = columns["mvt_id"][kept] - 1
            assert {tuple(each) for each in (objects.boxes[places, :2] // cell).tolist()} == cells
    assert len(shapes) < len(objects)
    # None is too small to be seen.
    bounds = shapely.bounds(shapes)
    assert (bounds[:, 2:] - bounds[:, :2]).min() >= 0.99 * side / SCREEN


def test_no_more_than_a_screen_can_show_is_sent() -> None:
    random = np.random.default_rng(0)
    corners = random.integers(0, 10_900, (100_000, 2))
    shapes = shapely.box(*corners.T, *(corners + random.integers(1, 6, corners.shape)).T)
    pyramid = pyramid_of(10_980)
    content = Outlines(objects_of(list(shapes)), pyramid).tile(2, 1, 1)
    assert len(content) < 1_000_000


def test_scores_in_parts_are_above_a_part_exactly_where_scores_are() -> None:
    score = np.random.default_rng(0).random(5000)
    score[:3] = 0, 0.5, 1
    for part in range(0, 1000, 37):
        assert ((parts_of(score) > part) == (score > part / 1000)).all()


def test_tiles_beyond_the_scene_or_without_objects_are_empty() -> None:
    pyramid = pyramid_of(500)
    outlines = Outlines(objects_of([ring(10, 20, 30)]), pyramid)
    for z, x, y in ((2, 0, 0), (99, 0, 0), (-1, 0, 0), (pyramid.finest, 0, 0)):
        assert outlines.tile(z, x, y) == b""
    assert EXTENT == 4096
    nothing = objects_of([])
    assert Outlines(nothing, pyramid).tile(1, 0, 0) == b""
