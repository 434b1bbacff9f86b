"""Numbers and charts that the page shows before anybody moves anything."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from metriccd.report.charts import clusters, curve, headline, histogram
from metriccd.report.data import ReportData
from metriccd.report.levels import Positions
from metriccd.report.pictures import reduce
from report_scenes import report


def told(data: ReportData) -> dict[str, Any]:
    return headline(data, Positions.of(data.levels, data.threshold, 500))


def test_the_headline_counts_every_pixel_although_the_page_shows_an_overview() -> None:
    full = np.random.default_rng(3).random((64, 48))
    full[:8] = np.nan
    known = full[~np.isnan(full)]
    small = reduce(full, long_side=16, statistic="max")
    words = told(report(full=full, score=small, pixel_area=1e6))
    assert words["share"] == f"{100 * np.mean(known > 0.31):.2f} %"
    assert words["changed"] == f"{np.sum(known > 0.31):,.2f} km²"
    assert words["valid_area"] == "2,688.00 km²"
    assert words["valid_share"] == "87.50 %"


@pytest.mark.parametrize(
    ("pixel_area", "changed", "valid"),
    [
        (1.0, "300.00 m²", "1,200.00 m²"),
        (100.0, "3.00 ha", "12.00 ha"),
        (1e6, "300.00 km²", "1,200.00 km²"),
        (None, "300", None),
    ],
)
def test_areas_share_one_unit_that_suits_the_scene(pixel_area, changed: str, valid: str) -> None:
    score = np.zeros((40, 30))
    score[:10] = 0.9
    words = told(report(score=score, pixel_area=pixel_area))
    assert words["changed"] == changed
    assert words["valid_area"] == valid


def test_the_histogram_has_log_heights_at_the_right_bins() -> None:
    score = np.zeros((40, 30))
    score[0, :9] = 0.8
    data = report(score=score, threshold=0.75)
    chart = histogram(data.levels, Positions.of(data.levels, 0.75, 500))
    heights = [100 - float(v) for v in re.findall(r"V([\d.]+)H", chart["path"])]
    assert np.flatnonzero(heights).tolist() == [0, int(0.8 * 128)]
    assert heights[102] / heights[0] == pytest.approx(np.log10(10) / np.log10(1192), abs=1e-3)
    assert chart["line"] == pytest.approx(0.75)


def test_a_curve_spans_its_box_and_skips_what_is_not_finite() -> None:
    drawn = curve("loss", [4.0, float("nan"), 1.0, 2.0, float("inf")])
    points = [tuple(map(float, point.split(","))) for point in drawn["points"].split()]
    assert [x for x, _ in points] == [0, 50, 75]
    assert [y for _, y in points] == [5, 95, 65]
    assert (drawn["low"], drawn["high"]) == ("1", "4")


def test_bars_of_spectra_share_a_scale_and_never_hang() -> None:
    known = {"value": 1, "meaning": "up", "bands": ["a", "b"], "chips": []}
    rows = [
        known | {"before": [100.0, 20.0], "after": [50.0, -5.0], "changed_pixels": 300},
        known | {"before": [200.0, 1.0], "after": [0.0, 0.0], "changed_pixels": 100},
    ]
    shown = clusters(report(clusters=rows))
    assert [each["share"] for each in shown] == ["75.00 %", "25.00 %"]
    assert shown[0]["spectrum"] == [("a", 100, 50, 22, 11), ("b", 20, -5, 4.4, 0)]
    assert shown[1]["spectrum"][0][3] == 44
