"""Tiles: every pixel once, and a local operator gives the whole scene's result."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import uniform_filter

from metriccd.scene.tiles import map_tiles, tiles


@pytest.mark.parametrize("shape", [(1, 1), (64, 64), (100, 37), (130, 200)])
@pytest.mark.parametrize("halo", [0, 8, 500])
def test_cores_cover_every_pixel_once_within_their_padding(shape, halo: int) -> None:
    count = np.zeros(shape, int)
    for tile in tiles(shape, size=64, halo=halo):
        count[tile.core.slices] += 1
        row, col = tile.inner
        assert row.start == min(halo, tile.core.row)
        assert tile.padded.row + tile.padded.height <= shape[0]
        assert (row.stop - row.start, col.stop - col.start) == (tile.core.height, tile.core.width)
    assert (count == 1).all()


def test_a_local_operator_on_tiles_equals_it_on_the_whole() -> None:
    image = np.random.default_rng(0).random((2, 150, 170)).astype(np.float32)
    done: list[int] = []
    found = map_tiles(
        lambda window: uniform_filter(image[:, *window.slices], (0, 7, 7), mode="constant"),
        image.shape[1:],
        channels=2,
        size=64,
        halo=4,
        advance=done.append,
    )
    expected = uniform_filter(image, (0, 7, 7), mode="constant")
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert sum(done) == 9
