"""ROC and precision–recall curves."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from metriccd.accuracy.metrics import Confusion, Ranking
from metriccd.report import DPI

# Hues of Okabe & Ito, Color Universal Design (2008), but for yellow, which is faint on white.
CURVE_COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#000000", "#e69f00", "#56b4e9")
Lines = tuple[Line2D, Line2D]


def draw_curves(
    rankings: Mapping[str, Ranking],
    *,
    title: str = "",
    chosen: Mapping[str, Confusion] | None = None,
) -> bytes:
    """ROC and precision–recall curves side by side, one color for each ranking.

    Args:
        rankings: Name → scores of changed and unchanged reference pixels.
        title: Of both together; taken literally.
        chosen: Name → the change map at the threshold of its rule, marked by a dot.

    Returns:
        PNG file, 1400 × 560 pixels.
    """
    figure = Figure(figsize=(14, 5.6), dpi=DPI, layout="constrained")
    roc, recall_axes = figure.subplots(1, 2)
    lines = curves_on(roc, recall_axes, rankings)
    for name, confusion in (chosen or {}).items():
        mark(roc, recall_axes, confusion, color=lines[name][0].get_color())
        recall_axes.annotate(
            f"threshold of the rule\nF1 {confusion.f1:.3f}",
            (confusion.recall, confusion.ua),
            xytext=(10, 10),
            textcoords="offset points",
            fontsize="small",
        )
    for share in _shares(rankings):
        recall_axes.annotate(
            f"share changed {share:.3f}", (0.99, share), ha="right", va="bottom", color="0.4"
        )
    areas = {
        f"AUC {ranking.roc_auc():.3f}  AP {ranking.average_precision():.3f}  {name}": lines[name][0]
        for name, ranking in rankings.items()
    }
    legend_style = {"fontsize": "small", "title_fontsize": "small", "frameon": False}
    legend = figure.legend(
        list(areas.values()),
        list(areas),
        loc="outside right center",
        title="threshold-free",
        alignment="left",
        **legend_style,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)
    figure.suptitle(title, parse_math=False)
    buffer = BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def curves_on(roc: Axes, recall_axes: Axes, rankings: Mapping[str, Ranking]) -> dict[str, Lines]:
    """Draws both curves, chance, and the share that changed.

    Args:
        roc: Where the ROC curves go, each labeled with its area.
        recall_axes: Where precision–recall curves go, each labeled with its average precision.
        rankings: Name → scores of changed and unchanged reference pixels.

    Returns:
        Name → ROC and precision–recall curve.
    """
    lines: dict[str, Lines] = {}
    for number, (name, ranking) in enumerate(rankings.items()):
        # The same colors, dashed and dotted, where there are more curves.
        style: dict[str, Any] = {
            "color": CURVE_COLORS[number % len(CURVE_COLORS)],
            "linestyle": ("-", "--", ":")[number // len(CURVE_COLORS) % 3],
        }
        precision, recall = ranking.precision_recall_curve()
        labels = f"AUC {ranking.roc_auc():.3f}", f"AP {ranking.average_precision():.3f}"
        (area,) = roc.plot(*ranking.roc_curve(), label=f"{name}: {labels[0]}", **style)
        (mean,) = recall_axes.plot(recall, precision, label=f"{name}: {labels[1]}", **style)
        lines[name] = area, mean
    chance: dict[str, Any] = {"color": "0.7", "linewidth": 1, "linestyle": "--"}
    roc.plot([0, 1], [0, 1], label="chance", **chance)
    for share in _shares(rankings):
        recall_axes.axhline(share, label=f"chance: share changed, {share:.3f}", **chance)
    roc.set(title="ROC", xlabel="false positive rate", ylabel="true positive rate")
    recall_axes.set(title="Precision–recall", xlabel="recall", ylabel="precision")
    for axes in (roc, recall_axes):
        axes.set(xlim=(0, 1), ylim=(0, 1.01), aspect="equal")
        axes.grid(color="0.9")
    return lines


def mark(
    roc: Axes, recall_axes: Axes, chosen: Confusion, *, color: Any, oracle: bool = False
) -> None:
    """The point of a threshold on both curves: a dot, or a hollow diamond for an oracle."""
    dot: dict[str, Any] = {
        "color": color,
        "marker": "D" if oracle else "o",
        "markerfacecolor": "white" if oracle else color,
        "markersize": 7 if oracle else 8,
        "markeredgecolor": color if oracle else "black",
        "markeredgewidth": 1.5 if oracle else 1.0,
        "linestyle": "none",
        "clip_on": False,
        "zorder": 3,
    }
    roc.plot(chosen.fp / max(chosen.fp + chosen.tn, 1), chosen.recall, **dot)
    recall_axes.plot(chosen.recall, chosen.ua, **dot)


def _shares(rankings: Mapping[str, Ranking]) -> set[float]:
    """Shares of the judged pixels that changed: one, where all were judged on the same."""
    counts = [(each.changed.count, each.unchanged.count) for each in rankings.values()]
    return {round(changed / max(changed + unchanged, 1), 4) for changed, unchanged in counts}
