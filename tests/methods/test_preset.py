"""Presets: what they tell their method about a pair."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from affine import Affine

from metriccd.methods import METHODS, PRESETS, WindowedMethod, options_of
from metriccd.pair import read_pair
from raster_files import image, write


def test_the_ground_is_that_of_the_grid_and_unknown_without_one(tmp_path: Path) -> None:
    placed = [write(tmp_path / f"{date}.tif", image(date)) for date in (1, 2)]
    assert options_of(PRESETS["default"], read_pair(*placed)).ground == pytest.approx(10, rel=2e-3)
    bare = read_pair(image(1), image(2))
    assert options_of(PRESETS["default"], bare).ground is None


def test_the_recipe_looks_wider_where_the_same_pixels_are_finer(tmp_path: Path) -> None:
    pixels = [image(date, height=96, width=96) for date in (1, 2)]
    pixels[1][:, 30:50, 30:50] = np.uint16(60_000)
    scales = []
    for side in (10.0, 0.5):
        transform = Affine(side, 0, 600_000, 0, -side, 4_800_000)
        pair = read_pair(
            *(
                write(tmp_path / f"{side} {date}.tif", array, transform=transform)
                for date, array in enumerate(pixels)
            )
        )
        method = METHODS["fusion"]
        assert isinstance(method, WindowedMethod)
        fitted = method.fit(pair.blocks(), options_of(PRESETS["fast"], pair, device="cpu"))
        scales.append(fitted.facts["scale"])
    assert scales[0] < scales[1]
