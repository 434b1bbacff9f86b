"""Layers: the same in memory and in a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from metriccd.raster import Window
from metriccd.scene.layer import FileLayer, Layer, MemoryLayer

RNG = np.random.default_rng(0)
WHOLE = Window(row=0, col=0, height=30, width=40)
PART = Window(row=5, col=7, height=11, width=13)


@pytest.fixture(params=["memory", "file"])
def layer(request, tmp_path: Path) -> Layer:
    if request.param == "memory":
        return MemoryLayer(np.zeros((30, 40), np.float32))
    return FileLayer.create(tmp_path / "layer.f32", (30, 40))


def test_what_is_written_is_read(layer: Layer) -> None:
    values = RNG.random((30, 40)).astype(np.float32)
    values[3, 4] = np.nan
    layer.write(WHOLE, values)
    layer.write(PART, -values[PART.slices])
    expected = values.copy()
    expected[PART.slices] *= -1
    np.testing.assert_array_equal(layer.read(WHOLE), expected)
    np.testing.assert_array_equal(layer.read(PART), expected[PART.slices])


def test_what_is_read_is_a_copy(layer: Layer) -> None:
    layer.read(PART)[:] = 9
    assert (layer.read(WHOLE) == 0).all()


def test_a_file_is_found_again(tmp_path: Path) -> None:
    FileLayer.create(tmp_path / "a", (30, 40)).write(PART, np.ones((11, 13), np.float32))
    assert FileLayer(tmp_path / "a", (30, 40)).read(PART).min() == 1
