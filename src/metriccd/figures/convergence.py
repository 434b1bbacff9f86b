"""Convergence: how a fit to one pair went, step by step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from metriccd.errors import DataError
from metriccd.figures.panels import Panels, legend_on, panels
from metriccd.result import Change

SIZE = (4.2, 4.0)  # inches of a panel
TOTAL, SHARE = "total", "mean P_c"
# Terms of eq. 9, by the names of the history, and their colors (Okabe & Ito 2008).
TERMS = {
    "image": ("image, eq. 5", "#0072b2"),
    "feature": ("features, eq. 6", "#d55e00"),
    "context": ("context, eq. 7", "#009e73"),
    "balance": ("balance, eq. 8", "#cc79a7"),
}


def plot_convergence(change: Change, axes: Sequence[Axes] | np.ndarray | None = None) -> Panels:
    """Draws the losses of a fit and the mean change probability P_c, step by step.

    Args:
        change: A result of method "metric", or of the presets "paper" and "released".
        axes: Two, for the losses and for P_c; by default those of a new figure of pyplot.

    Returns:
        Both axes.

    Raises:
        DataError: Nothing was fitted step by step.
        ValueError: There are too few axes.
    """
    history = change.history
    if TOTAL not in history:
        method = change.record.get("settings", {}).get("method", "this one")
        raise DataError(
            f"curves of a fit need one of many steps: method {method} has none; detect with "
            "method metric, or preset paper or released"
        )
    drawn = panels(2, axes, columns=2, size=SIZE)
    losses, share = drawn
    steps = np.arange(1, len(history[TOTAL]) + 1)
    for name, (label, color) in TERMS.items():
        if name in history:
            losses.plot(steps, history[name], color=color, label=label)
    losses.plot(steps, history[TOTAL], color="black", linewidth=2, label="sum, eq. 9")
    losses.set(title="Losses", xlabel="step", ylabel="loss")
    legend_on(losses, below=axes is None, ncols=2)
    share.plot(steps, history[SHARE], color="black")
    share.set(title="Mean change probability", xlabel="step", ylabel="mean of $P_c$", ylim=(0, 1))
    for axes_ in drawn:
        axes_.grid(color="0.9")
        axes_.set_xlim(1, max(len(steps), 2))
        axes_.xaxis.set_major_locator(MaxNLocator(6, integer=True, steps=[1, 2, 5, 10]))
    return drawn
