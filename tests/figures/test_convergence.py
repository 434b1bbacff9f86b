"""Convergence: the losses of a real fit, term by term."""

from __future__ import annotations

from dataclasses import replace

import pytest

import metriccd as mcd
from metriccd import figures
from metriccd.methods import METHODS, Options
from metriccd.paper import PAPER


@pytest.fixture(scope="module")
def fitted(found) -> mcd.Change:
    """A result with the history of four steps of the paper's fit."""
    settings = replace(PAPER, generator="resnet4", steps=4, learning_rate=1e-3)
    t1, t2 = found.change.t1_rgb[:, 64:128, 64:128], found.change.t2_rgb[:, 64:128, 64:128]
    image = METHODS["metric"](t1, t2, options=Options(fit=settings))
    return replace(found.change, history=image.history)


def test_every_term_has_its_curve_and_the_sum_is_their_sum(fitted) -> None:
    losses, share = figures.plot_convergence(fitted)
    curves = {str(line.get_label()): line.get_ydata() for line in losses.get_lines()}
    assert set(curves) == {
        *("image, eq. 5", "features, eq. 6", "context, eq. 7", "balance, eq. 8", "sum, eq. 9")
    }
    total = curves.pop("sum, eq. 9")
    assert list(total) == pytest.approx([sum(step) for step in zip(*curves.values(), strict=True)])
    assert list(share.get_lines()[0].get_ydata()) == list(fitted.history["mean P_c"])
    assert list(share.get_lines()[0].get_xdata()) == [1, 2, 3, 4]


def test_a_result_without_a_fit_of_steps_says_which_have_one(found) -> None:
    with pytest.raises(mcd.DataError, match=r"method image_regr has none; detect with method met"):
        figures.plot_convergence(found.change)
