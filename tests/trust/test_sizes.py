"""More pixels than are allowed, and more bytes than are free, are refused before any is read."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import rasterio
from affine import Affine

from metriccd.cli import main
from metriccd.detection import detect
from metriccd.errors import DataError
from metriccd.pair import read_pair
from metriccd.raster import open_raster
from metriccd.trust import MAX_PIXELS, Trust, free_mib, require_memory, require_size
from raster_files import TRANSFORM, UTM, image, write


def declared(path: Path, width: int, height: int, count: int = 1, **options) -> str:
    """A file of next to no bytes that declares pixels."""
    tiles = {"tiled": True, "blockxsize": 4096, "blockysize": 4096}
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        width=width,
        height=height,
        count=count,
        dtype="uint16",
        crs=UTM,
        transform=options.pop("transform", TRANSFORM),
        SPARSE_OK=True,
        BIGTIFF="YES",
        **(tiles | options),
    ):
        pass
    return str(path)


@pytest.fixture
def huge(tmp_path: Path) -> str:
    return declared(tmp_path / "huge.tif", 10**6, 10**6)


def test_sizes_are_refused_with_the_time_they_would_take(huge: str) -> None:
    with pytest.raises(
        DataError, match=r"at most 1,000,000,000 pixels.*39 days.*--max-pixels 10{12}$"
    ):
        read_pair(huge, huge)
    require_size(31_622, 31_622, "a")
    with pytest.raises(DataError, match="1,000,000,000 rows × 1 columns"):
        require_size(10**9, 1, "a")


def test_only_what_is_compared_counts(huge: str) -> None:
    left, top = TRANSFORM.c, TRANSFORM.f
    pair = read_pair(huge, huge, bbox=(left, top - 1000, left + 1000, top))
    assert pair.grid.shape == (100, 100)


def test_pixels_of_t2_masks_and_references_count_where_they_must_be_read(
    tmp_path: Path, huge: str
) -> None:
    wide = write(tmp_path / "wide.tif", image(), transform=TRANSFORM @ Affine.scale(20_000))
    with pytest.raises(DataError, match=r"huge\.tif has"):
        read_pair(wide, huge, bands="1")
    one, other = (write(tmp_path / f"{k}.tif", image(k)) for k in (0, 1))
    with pytest.raises(DataError, match=r"huge\.tif has 1,000,000 rows"):
        read_pair(one, other, masks=huge)
    command = ["compare", str(one), str(other), "--reference", huge, "--methods", "cva"]
    assert main([*command, "-q", "-o", str(tmp_path / "out")]) == 3


def test_most_pixels_are_what_the_user_says(tmp_path: Path, capsys) -> None:
    one, other = (
        str(write(tmp_path / f"{k}.tif", image(k, height=200, width=200))) for k in (0, 1)
    )
    with pytest.raises(DataError, match="at most 39,999 pixels"):
        detect(one, other, max_pixels=39_999)
    for command in (["check"], ["detect", "-o", str(tmp_path / "out")]):
        assert main([*command, one, other, "--max-pixels", "39999"]) == 3
        assert "--max-pixels 40000" in capsys.readouterr().err
    assert main(["check", one, other, "--max-pixels", "40000", "-q"]) == 0
    with pytest.raises(ValueError, match="--max-pixels must be at least 1"):
        Trust(max_pixels=0)
    assert Trust().max_pixels == MAX_PIXELS == 10**9


def test_memory_is_asked_for_before_it_is_taken(tmp_path: Path) -> None:
    free = free_mib()
    assert free is not None
    require_memory(free * 2**19, "half of it", "do this")
    with pytest.raises(DataError, match=r"memory must suffice: all of it takes .* do this"):
        require_memory(free * 2**21, "all of it", "do this")
    bands = declared(tmp_path / "bands.tif", 2048, 2048, 8000, interleave="band")
    with pytest.raises(DataError, match=r"8,000 bands of two dates takes .*--bands"):
        read_pair(bands, bands)
    block = declared(
        tmp_path / "block.tif", 500, 500, 40, blockxsize=2**16, blockysize=2**16, compress="lzw"
    )
    with pytest.raises(DataError, match=r"one block of .*65,536 × 65,536 pixels.*TILED=YES"):
        open_raster(block)
    whole = declared(tmp_path / "whole.tif", 30_000, 30_000, 50, interleave="band")
    with pytest.raises(DataError, match="all of a pair of 30,000 × 30,000 pixels of 50 bands"):
        read_pair(whole, whole).load()


def test_thousands_of_bands_are_opened_at_once(tmp_path: Path) -> None:
    path = declared(
        tmp_path / "bands.tif", 64, 64, 4000, interleave="band", blockxsize=64, blockysize=64
    )
    # As they were asked for at first, each for all of them, it took minutes.
    assert len(open_raster(path).bands) == 4000


def test_an_interrupt_ends_a_long_read(tmp_path: Path) -> None:
    """Nothing but zeros, which GDAL makes up tile after tile for minutes."""
    path = declared(tmp_path / "a.tif", 30_000, 30_000, compress="deflate")
    command = [sys.executable, "-m", "metriccd", "detect", path, path, "-v", "-o", tmp_path / "out"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        line = process.stderr.readline()
        time.sleep(1)
        start = time.monotonic()
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
        assert process.wait() == 130, line + rest
        assert time.monotonic() - start < 60
    assert "Traceback" not in rest
    assert not (tmp_path / "out").exists()
    assert [file.name for file in tmp_path.iterdir()] == ["a.tif"]
