"""Evaluation curves: how well scores order changed above unchanged pixels of a reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from metriccd.accuracy import (
    Confusion,
    Ranking,
    curves_on,
    judged_pixels,
    mark,
    read_reference,
)
from metriccd.figures.panels import Panels, legend_on, named, panels
from metriccd.raster import Image
from metriccd.result import Change

WIDTH, HEIGHT, LINE = 4.2, 4.35, 0.2  # inches of a panel, and of a line of the legend below it


def plot_roc(
    changes: Change | Mapping[str, Change],
    reference: Image | tuple[Image, Image],
    axes: Sequence[Axes] | np.ndarray | None = None,
) -> Panels:
    """Draws ROC and precision–recall curves of scores against a reference.

    A dot marks each change map, a diamond the threshold of the best F1, which the reference
    chose: an oracle. Areas are those of scikit-learn to 1e-4.

    Args:
        changes: A result, or several by name.
        reference: Ground truth, or masks of change and of no change, as `evaluate` takes it.
        axes: Two, for ROC and precision–recall; by default those of a new figure of pyplot.

    Returns:
        Both axes.

    Raises:
        DataError: The reference's labels are ambiguous, or it knows no pixel of a result.
        GridError: It does not lie on the grid of a result.
        ValueError: There is no result, or too few axes.
    """
    results = named(changes)
    rankings, maps = {}, {}
    for name, change in results.items():
        changed, known = read_reference(reference, change.grid)
        judged = judged_pixels(change.valid, known)
        rankings[name] = Ranking()
        rankings[name].update(change.score, changed, judged)
        maps[name] = Confusion.from_maps(change.map, changed, judged)
    # Chance and both marks have a line each, too.
    size = WIDTH, HEIGHT + LINE * (len(results) + 3)
    drawn = panels(2, axes, columns=2, size=size)
    roc, recall_axes = drawn
    lines = curves_on(roc, recall_axes, rankings)
    for name, (curve, line) in lines.items():
        best = rankings[name].best_confusion()
        mark(roc, recall_axes, best, color=curve.get_color(), oracle=True)
        mark(roc, recall_axes, maps[name], color=curve.get_color())
        learned = " (supervised)" if _supervised(results[name]) else ""
        line.set_label(f"{line.get_label()}{learned}, F1 {maps[name].f1:.3f}, best {best.f1:.3f}")
    roc.set_title("ROC, against a reference")
    by_hand = all(change.rule == "fixed" for change in results.values())
    but = ", but where supervised" if any(map(_supervised, results.values())) else ""
    dot: dict[str, Any] = {
        "marker": "o",
        "color": "0.5",
        "linestyle": "none",
        "markeredgecolor": "black",
    }
    marks = {
        "threshold set by hand" if by_hand else f"threshold found without labels{but}": dot,
        "best threshold: an oracle": dot | {"marker": "D", "markerfacecolor": "white"},
    }
    for ax in drawn:
        handles, _ = ax.get_legend_handles_labels()
        handles += [Line2D([], [], label=label, **style) for label, style in marks.items()]
        legend_on(ax, below=axes is None, handles=handles)
    return drawn


def _supervised(change: Change) -> bool:
    """Whether references of other places have taught the method."""
    return bool(change.record.get("settings", {}).get("supervised"))
