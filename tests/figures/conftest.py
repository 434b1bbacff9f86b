"""A pair on the ground with known changes, what was found in it, and figures closed after use."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest

import metriccd as mcd
from metriccd.demo.synthetic import land_scene
from raster_files import write

DATES = ("2016-05-01", "2018-08-15")


@dataclass(frozen=True)
class Found:
    """A pair and a result of it.

    Attributes:
        before, after: The files.
        reference: True = change; the file's array.
        change: By a method of milliseconds.
    """

    before: Path
    after: Path
    reference: np.ndarray
    change: mcd.Change


@pytest.fixture(scope="session")
def found(tmp_path_factory: pytest.TempPathFactory) -> Found:
    scene, folder = land_scene(160, 200, seed=1, nodata_corner=True), tmp_path_factory.mktemp("f")
    files = [
        write(folder / f"{name}.tif", image, nodata=0)
        for name, image in (("before", scene.t1), ("after", scene.t2))
    ]
    change = mcd.detect(
        *files, method="image_regr", band_names=list(scene.bands), dates=DATES, bands=scene.bands
    )
    return Found(*files, scene.reference, change)


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    plt.close("all")
