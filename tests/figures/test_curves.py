"""Curves against a reference: scikit-learn is the oracle."""

from __future__ import annotations

import re

import numpy as np
import pytest
from matplotlib.figure import Figure
from scipy.spatial import KDTree
from sklearn.metrics import (
    average_precision_score,
    f1_score,
    precision_recall_curve,
    precision_score,
    recall_score,
    roc_auc_score,
    roc_curve,
)

import metriccd as mcd
from metriccd import figures


@pytest.fixture(scope="module")
def judged(found) -> tuple[np.ndarray, np.ndarray]:
    """Truth and score of the valid pixels."""
    return found.reference[found.change.valid], found.change.score[found.change.valid]


def figures_of(label: str) -> list[float]:
    return [float(number) for number in re.findall(r"\d\.\d+", label)]


def away(line, x: np.ndarray, y: np.ndarray) -> float:
    """How far the points of a line lie from known ones, at most."""
    distances, _ = KDTree(np.column_stack([x, y])).query(np.column_stack(line.get_data()))
    return float(distances.max())


def test_curves_and_their_areas_are_those_of_scikit_learn(found, judged) -> None:
    truth, score = judged
    roc, recall_axes = figures.plot_roc(found.change, found.reference)
    line, (fpr, tpr, _) = roc.get_lines()[0], roc_curve(truth, score, drop_intermediate=False)
    assert away(line, fpr, tpr) < 2e-3
    assert figures_of(line.get_label()) == [pytest.approx(roc_auc_score(truth, score), abs=6e-4)]
    line = recall_axes.get_lines()[0]
    precision, recall, _ = precision_recall_curve(truth, score)
    assert away(line, recall, precision) < 2e-3
    area, f1, best = figures_of(line.get_label())
    assert area == pytest.approx(average_precision_score(truth, score), abs=6e-4)
    assert f1 == pytest.approx(f1_score(truth, found.change.map[found.change.valid]), abs=6e-4)
    both = 2 * precision * recall / np.maximum(precision + recall, 1e-9)
    assert best == pytest.approx(both.max(), abs=1e-3)


def test_the_map_is_marked_and_so_is_the_oracle_which_is_called_one(found, judged) -> None:
    roc, recall_axes = figures.plot_roc(found.change, found.reference)
    truth, mapped = judged[0], found.change.map[found.change.valid]
    dots = [line for line in recall_axes.get_lines() if line.get_marker() == "o"]
    assert dots[0].get_xdata()[0] == pytest.approx(recall_score(truth, mapped))
    assert dots[0].get_ydata()[0] == pytest.approx(precision_score(truth, mapped))
    told = [text.get_text() for text in recall_axes.get_legend().get_texts()]
    assert "best threshold: an oracle" in told
    assert "threshold found without labels" in told
    assert "against a reference" in roc.get_title()
    by_hand = found.change.decided(0.4)
    roc, _ = figures.plot_roc({"by $hand$": by_hand}, found.reference)
    told = [text.get_text() for text in roc.get_legend().get_texts()]
    assert "threshold set by hand" in told
    # Names are no formulas.
    assert not any(text.get_parse_math() for text in roc.get_legend().get_texts())


@pytest.mark.parametrize("count", [1, 8])
def test_names_lie_whole_below_the_curves(found, count: int) -> None:
    drawn = figures.plot_roc(dict.fromkeys("abcdefgh"[:count], found.change), found.reference)
    figure = drawn[0].figure
    figure.draw_without_rendering()
    for ax in drawn:
        names, curves = ax.get_legend().get_window_extent(), ax.get_window_extent()
        assert 0 <= names.y0 < names.y1 < curves.y0
        assert curves.y1 < figure.bbox.height


def test_several_results_have_a_curve_each_on_axes_that_are_given(found) -> None:
    other = mcd.detect(found.before, found.after, method="cva")
    axes = Figure().subplots(1, 2)
    drawn = figures.plot_roc({"a": found.change, "b": other}, found.reference, axes)
    assert list(drawn) == list(axes)
    curves = [line for line in axes[0].get_lines() if "AUC" in str(line.get_label())]
    assert [str(line.get_label())[0] for line in curves] == ["a", "b"]
    assert len({line.get_color() for line in curves}) == 2
    with pytest.raises(ValueError, match="takes 2 axes: got 1"):
        figures.plot_roc(found.change, found.reference, axes[:1])
    with pytest.raises(ValueError, match="needs a result"):
        figures.plot_roc({}, found.reference)
