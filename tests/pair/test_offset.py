"""The offset of Sentinel-2: told by names, unless the files declare it, which reading applies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio

from metriccd.pair.pair import read_pair
from raster_files import image, write

NAME = "S2A_MSIL2A_20230601T101031_N0509_R022_T32TQM_20230601T160000"


@pytest.mark.parametrize(
    ("scale", "declared", "added"), [(1, 0, -1000), (1e-4, 0, -0.1), (1e-4, -0.1, 0)]
)
def test_values_are_reflectance_once(
    tmp_path: Path, scale: float, declared: float, added: float
) -> None:
    pixels = image(0)
    path = write(tmp_path / f"{NAME}.tif", pixels)
    with rasterio.open(path, "r+") as dataset:
        dataset.scales = [scale] * dataset.count
        dataset.offsets = [declared] * dataset.count
    pair = read_pair(path, write(tmp_path / "other.tif", image(1)))
    assert pair.offsets[0].value == pytest.approx(added)
    block = pair.load()
    expected = (pixels.astype(np.float64) - 1000) * scale
    inside = np.broadcast_to(block.valid, pixels.shape)
    np.testing.assert_allclose(block.t1[inside], expected[inside], atol=1e-3 * scale)
