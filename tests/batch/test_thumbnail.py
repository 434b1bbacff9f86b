"""The small picture of a result: before, after, change."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from metriccd import detect_into
from metriccd.batch.thumbnail import QUALITY, SIDE, draw_thumbnail
from metriccd.demo.synthetic import land_scene
from raster_files import write


def test_before_after_and_change_stand_side_by_side_in_a_few_kilobytes(tmp_path: Path) -> None:
    scene = land_scene(160, 240, seed=2)
    write(tmp_path / "t1.tif", scene.t1)
    write(tmp_path / "t2.tif", scene.t2)
    detect_into(
        tmp_path / "out", tmp_path / "t1.tif", tmp_path / "t2.tif", preset="fast", device="cpu"
    )
    target = tmp_path / "thumbnails/a.jpg"
    draw_thumbnail(tmp_path / "out", target)
    assert 0 < QUALITY <= 100
    assert [path.name for path in target.parent.iterdir()] == ["a.jpg"]
    assert target.stat().st_size < 20_000
    with Image.open(target) as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    assert pixels.shape[1] == 3 * SIDE + 4
    before, change = pixels[:, :SIDE], pixels[:, -SIDE:]
    # Change is magenta, which no land is.
    magenta = (change[..., 0] > 150) & (change[..., 1] < 90) & (change[..., 2] > 80)
    assert 0.005 < magenta.mean() < 0.5
    plain = (before[..., 0] > 150) & (before[..., 1] < 90) & (before[..., 2] > 80)
    assert plain.mean() < 0.002
