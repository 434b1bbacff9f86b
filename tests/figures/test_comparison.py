"""Results side by side: what each found, missed and took for change."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure
from sklearn.metrics import f1_score, roc_auc_score

import metriccd as mcd
from metriccd import figures
from metriccd.gis import COLORS
from metriccd.report import ERROR_RGB


@pytest.fixture(scope="module")
def results(found) -> dict[str, mcd.Change]:
    return {"regr": found.change, "cva": mcd.detect(found.before, found.after, method="cva")}


def titles(drawn) -> list[str]:
    return [ax.get_title("left") for ax in drawn]


def test_maps_show_errors_in_their_colors_and_titles_the_figures_of_scikit_learn(
    found, results
) -> None:
    drawn = figures.plot_comparison(results, found.reference)
    valid, truth = found.change.valid, found.reference
    f1 = f1_score(truth[valid], found.change.map[valid])
    assert titles(drawn)[:4] == [
        "(a) Before\n2016-05-01",
        "(b) After\n2018-08-15",
        "(c) Reference\nwhite: change",
        f"(d) regr\nF1 {f1:.3f}",
    ]
    picture, colors = drawn[3].images[0].get_array(), ERROR_RGB["colorblind"]
    for name, where in (
        ("FP", found.change.map & ~truth & valid),
        ("FN", ~found.change.map & truth & valid),
        ("TP", found.change.map & truth & valid),
    ):
        assert (picture[where] == colors[name]).all()
    (legend,) = drawn[0].figure.legends
    assert {"false alarm", "change, missed"} <= {text.get_text() for text in legend.get_texts()}


def test_scores_share_one_scale_of_colors(found, results) -> None:
    drawn = figures.plot_comparison(results, found.reference, show="score")
    scores = [ax.images[0] for ax in drawn[3:]]
    assert scores[0].get_clim() == scores[1].get_clim()
    valid = results["cva"].valid
    auc = roc_auc_score(found.reference[valid], results["cva"].score[valid])
    assert titles(drawn)[-1] == f"(e) cva\nAUC {auc:.3f}"


def test_without_a_reference_change_has_the_color_of_the_gis_styles(found) -> None:
    drawn = figures.plot_comparison(found.change)
    assert len(drawn) == 3
    picture = drawn[2].images[0].get_array()
    assert (picture[found.change.map] == COLORS[1]).all()
    assert (picture[~found.change.map][:, 3] == 0).all()


def test_axes_that_are_given_are_used_in_reading_order(found, results) -> None:
    axes = Figure().subplots(2, 3)
    drawn = figures.plot_comparison(results, found.reference, axes)
    assert list(drawn) == list(axes.ravel()[:5])
    assert not axes[1, 2].images
    assert drawn[-1].get_legend() is not None
    with pytest.raises(ValueError, match="takes 5 axes: got 3"):
        figures.plot_comparison(results, found.reference, axes[0])


def test_results_on_two_grids_are_refused(found, results) -> None:
    part = mcd.detect(
        found.before, found.after, method="cva", bbox=(600_000, 4_799_000, 601_000, 4_800_000)
    )
    with pytest.raises(mcd.GridError, match="that of part is another"):
        figures.plot_comparison(results | {"part": part})
    with pytest.raises(ValueError, match="shows map or score: got 'kinds'"):
        figures.plot_comparison(results, show="kinds")


def test_the_first_map_alone_has_a_scale_bar(found, results) -> None:
    drawn = figures.plot_comparison(results, np.where(found.reference, 255, 0).astype(np.uint8))
    assert [len(ax.artists) for ax in drawn] == [1, 0, 0, 0, 0]
