"""The pyramid: every pixel lies in one tile of each zoom, and nothing lies beyond the scene."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine

from metriccd.raster import Grid
from metriccd.view.pyramid import COARSEST, TILE, Pyramid


def pyramid(height: int, width: int) -> Pyramid:
    grid = Grid(height=height, width=width, transform=Affine.identity(), crs=None)
    return Pyramid(grid=grid)


@pytest.mark.parametrize("shape", [(1, 1), (256, 256), (257, 3), (300, 1030), (1024, 1025)])
def test_tiles_cover_the_scene_once_at_every_zoom(shape: tuple[int, int]) -> None:
    found = pyramid(*shape)
    for z in range(COARSEST, found.finest + 1):
        step = 2 ** (found.finest - z)
        seen = np.zeros([-(-side // step) for side in shape], int)
        for x in range(2**z):
            for y in range(2**z):
                tile = found.tile(z, x, y)
                if tile is not None:
                    window = found.window(tile)
                    assert tile.step == step
                    assert window is not None
                    seen[window.slices] += 1
        assert (seen == 1).all()


@pytest.mark.parametrize("shape", [(1, 1), (256, 256), (10_980, 10_980), (300, 1030)])
def test_the_scene_is_one_tile_at_the_coarsest_zoom_with_room_around(shape) -> None:
    found = pyramid(*shape)
    assert found.tile(COARSEST, 1, 1) is not None
    assert [
        (x, y) for x in range(4) for y in range(4) if found.tile(COARSEST, x, y) is not None
    ] == [(1, 1)]
    assert found.world == 4 * found.origin
    assert max(shape) <= found.origin
    assert max(shape) > found.origin / 2 or max(shape) <= TILE


def test_no_zoom_beyond_and_no_place_beyond_has_a_tile() -> None:
    found = pyramid(300, 1030)
    for z, x, y in ((1, 0, 0), (99, 0, 0), (3, -1, 2), (3, 10**9, 0), (-5, 0, 0)):
        assert found.tile(z, x, y) is None
