"""Pictures of several panels: what changed stands out in them."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from matplotlib.image import imread

from metriccd.kinds import KINDS
from metriccd.report import pictures
from metriccd.report.page import draw_preview
from report_scenes import report, with_kinds


def picture(png: bytes) -> np.ndarray:
    return np.rint(255 * imread(BytesIO(png), format="png")[..., :3]).astype(int)


def test_the_preview_is_a_png_whose_changed_area_stands_out() -> None:
    score = np.zeros((60, 60), np.float32)
    score[:, :30] = 0.9
    gray = np.full((3, 60, 60), 0.5, np.float32)
    gray[:, :20, 40:] = np.nan
    drawn = draw_preview(report(score=score, t1=gray, t2=gray))
    image = picture(pictures.encode(drawn, "png"))
    rows, cols = image.shape[:2]
    assert cols == 1600
    assert 1500 < rows < 1800
    changed, unchanged = image[int(0.75 * rows), [int(0.6 * cols), int(0.9 * cols)]]
    np.testing.assert_allclose(unchanged, 128, atol=1)
    np.testing.assert_allclose(changed, 0.55 * 128 + 0.45 * np.array(pictures.CHANGE_RGB), atol=1)
    low, high = image[int(0.75 * rows), [int(0.4 * cols), int(0.1 * cols)]]
    assert high.sum() > low.sum() + 200
    np.testing.assert_array_equal(image[int(0.15 * rows), int(0.45 * cols)], pictures.NODATA_RGB)


def test_the_preview_shows_kinds_where_something_changed_and_nowhere_else() -> None:
    drawn = draw_preview(with_kinds())
    colors = {tuple(color) for color in drawn.reshape(3, -1).T.tolist()}
    assert {KINDS["vegetation-lost"].color, KINDS["built"].color} <= colors
    quiet = draw_preview(with_kinds(threshold=0.95, kinds={}))
    assert (quiet != drawn).any()


def test_the_preview_says_whether_a_person_chose_the_threshold() -> None:
    assert (draw_preview(report()) != draw_preview(report(rule="fixed"))).any()
