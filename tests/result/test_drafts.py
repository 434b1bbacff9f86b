"""Rasters that are written ahead of a result are whole, or are not there."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

from metriccd.errors import OutputError
from metriccd.raster import Grid, Window
from metriccd.result import disk
from metriccd.result.drafts import Drafts
from metriccd.result.rasters import Part, raster_files, raster_layers
from metriccd.stages import Stages

SCORE = np.random.default_rng(0).random((70, 90), np.float32)
GRID = Grid(height=70, width=90, transform=Affine(10, 0, 5e5, 0, -10, 5e6), crs=None)
NEVER = (np.datetime64("NaT"), np.datetime64("NaT"))


def part(window: Window) -> Part:
    score = SCORE[window.slices]
    return Part(change=score > 0.5, score=score)


def drafts(folder: Path, read: Callable[[Window], Part] = part) -> Drafts:
    files = raster_files(*raster_layers({}, NEVER, "cva", 0.5, "otsu"), (), ())
    return Drafts(files=files, part=read, grid=GRID, folder=folder / "drafts")


def test_what_is_written_by_parts_is_not_written_again_and_moves_once(tmp_path: Path) -> None:
    asked: list[Window] = []

    def counted(window: Window) -> Part:
        asked.append(window)
        return part(window)

    some = drafts(tmp_path, counted)
    assert some.remaining == [0, 1]
    some.run(Stages(), [0])
    drafts(tmp_path, counted).run(Stages(), [0, 1])
    assert len(asked) == 2
    assert some.remaining == []
    assert some.move(tmp_path) == ["score.tif", "change.tif"]
    assert some.move(tmp_path) == []
    assert not list((tmp_path / "drafts").iterdir())
    with rasterio.open(tmp_path / "score.tif") as file:
        np.testing.assert_array_equal(file.read(1), SCORE)


def test_a_raster_that_fails_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(_: Window) -> Part:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OutputError, match="No space left"):
        drafts(tmp_path, failing).run(Stages(), [0])
    full = disk.shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda _: full)
    with pytest.raises(OutputError, match="1,000 are free"):
        drafts(tmp_path).run(Stages(), [1])
    assert not list((tmp_path / "drafts").iterdir())
