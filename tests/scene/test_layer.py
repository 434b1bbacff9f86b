"""Layers: the same in memory and in files, one a tile."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from metriccd.raster import Window
from metriccd.scene.layer import FileLayer, Layer, MemoryLayer, core_of
from metriccd.scene.tiles import tiles

SHAPE, SIDE = (30, 40), 16
VALUES = np.random.default_rng(0).random(SHAPE).astype(np.float32)
CORES = [tile.core for tile in tiles(SHAPE, size=SIDE, halo=0)]


@pytest.fixture(params=["memory", "files"])
def layer(request, tmp_path: Path) -> Layer:
    if request.param == "memory":
        return MemoryLayer(np.zeros(SHAPE, np.float32), SIDE)
    return FileLayer(tmp_path, SHAPE, SIDE)


def filled(layer: Layer, values: np.ndarray = VALUES) -> Layer:
    for number, core in enumerate(CORES):
        layer.write(number, values[core.slices])
    return layer


def test_a_number_is_that_of_a_tile() -> None:
    assert [core_of(number, SHAPE, SIDE) for number in range(len(CORES))] == CORES


@pytest.mark.parametrize("part", [(0, 0, 30, 40), (5, 7, 11, 13), (16, 16, 14, 16), (29, 39, 1, 1)])
def test_what_is_written_by_tiles_is_read_by_windows(layer: Layer, part: tuple[int, ...]) -> None:
    row, col, height, width = part
    window = Window(row=row, col=col, height=height, width=width)
    filled(layer, -VALUES)
    np.testing.assert_array_equal(filled(layer).read(window), VALUES[window.slices])


def test_what_is_read_is_a_copy(layer: Layer) -> None:
    whole = Window.whole(SHAPE)
    filled(layer).read(whole)[:] = 9
    np.testing.assert_array_equal(layer.read(whole), VALUES)


def test_a_tile_is_there_once_it_is_whole(tmp_path: Path) -> None:
    layer = FileLayer(tmp_path, SHAPE, SIDE)
    assert not layer.holds(5)
    layer.write(5, VALUES[CORES[5].slices])
    assert FileLayer(tmp_path, SHAPE, SIDE).holds(5)
    (tmp_path / "5.f32").write_bytes(b"\0" * 8)
    assert not layer.holds(5)


def test_many_may_write_one_tile_at_once(tmp_path: Path) -> None:
    layer = FileLayer(tmp_path, SHAPE, SIDE)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: filled(layer), range(8)))
    np.testing.assert_array_equal(layer.read(Window.whole(SHAPE)), VALUES)
    assert len(list(tmp_path.iterdir())) == len(CORES)
