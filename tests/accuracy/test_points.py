"""Points as a reference: they fall on the right pixels, and faults are said in one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from pyproj import Transformer

from metriccd.accuracy.points import read_points, sampled
from metriccd.errors import DataError
from metriccd.raster import Grid, crs_of

GRID = Grid(
    height=40,
    width=50,
    transform=Affine(30, 0, 500_000, 0, -30, 5_000_000),
    crs=crs_of("EPSG:32631"),
)


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_coordinates_and_degrees_name_the_same_pixels(tmp_path: Path) -> None:
    rows, cols = np.array([0, 7, 39]), np.array([0, 20, 49])
    x, y = 500_000 + 30 * (cols + 0.5), 5_000_000 - 30 * (rows + 0.5)
    lon, lat = Transformer.from_crs(32631, 4326, always_xy=True).transform(x, y)
    for columns, one, other in (("x,y", x, y), ("lon,lat", lon, lat)):
        lines = [
            f"{a:.9f},{b:.9f},{k % 2}" for k, (a, b) in enumerate(zip(one, other, strict=True))
        ]
        text = "\n".join([f"{columns},label", *lines])
        points = read_points(written(tmp_path / "points.csv", text), GRID)
        np.testing.assert_array_equal(points.rows, rows)
        np.testing.assert_array_equal(points.cols, cols)
        np.testing.assert_array_equal(points.changed, [False, True, False])


def test_points_beyond_the_result_or_on_nodata_do_not_count(tmp_path: Path) -> None:
    inside = [(500_015, 4_999_985 - 30 * k, int(k < 20)) for k in range(40)]
    lines = [f"{x},{y},{label}" for x, y, label in [*inside, (0, 0, 1)]]
    points = read_points(written(tmp_path / "points.csv", "\n".join(["x,y,label", *lines])), GRID)
    change, valid = np.zeros((40, 50), bool), np.ones((40, 50), bool)
    change[:20], valid[39] = True, False
    found, counts = sampled(points, change, valid, np.array([1000.0, 1000.0]))
    assert counts.tolist() == [[19, 0], [0, 20]]
    assert found.oa == 1


@pytest.mark.parametrize(
    "text", ["", "x,y\n1,2\n", "x,y,label\n1,two,1\n", "x,y,label\n1,2,maybe\n"]
)
def test_what_is_no_point_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(DataError, match=r"point|coordinates|label"):
        read_points(written(tmp_path / "points.csv", text), GRID)


def test_a_place_told_twice_counts_once_and_has_one_label(tmp_path: Path) -> None:
    rows = ["500015,4999985,1", "500045,4999985,0", "500015,4999985,1"]
    points = read_points(written(tmp_path / "p.csv", "\n".join(["x,y,label", *rows])), GRID)
    np.testing.assert_array_equal(points.cols, [0, 1])
    np.testing.assert_array_equal(points.changed, [True, False])
    text = "\n".join(["x,y,label", *rows, "500045,4999985,1"])
    with pytest.raises(DataError, match=r"one label.*500045, 4999985"):
        read_points(written(tmp_path / "p.csv", text), GRID)


def test_points_that_all_lie_elsewhere_are_said_to(tmp_path: Path) -> None:
    points = read_points(written(tmp_path / "p.csv", "x,y,label\n0,0,1\n9,9,0"), GRID)
    all_of_it = np.ones((40, 50), bool)
    with pytest.raises(DataError, match="none of 2 does"):
        sampled(points, ~all_of_it, all_of_it, np.array([1.0, 0.0]))
