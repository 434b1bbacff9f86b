"""ROC and precision–recall curves."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from metriccd.accuracy.metrics import Confusion, Ranking
from metriccd.result import DPI


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
    for number, (name, ranking) in enumerate(rankings.items()):
        # Ten colors, then the same ones dashed and dotted.
        line = {"color": f"C{number % 10}", "linestyle": ("-", "--", ":")[number // 10 % 3]}
        areas = f"AUC {ranking.roc_auc():.3f}  AP {ranking.average_precision():.3f}"
        roc.plot(*ranking.roc_curve(), label=f"{areas}  {name}", **line)
        precision, recall = ranking.precision_recall_curve()
        recall_axes.plot(recall, precision, **line)
        if chosen is not None and name in chosen:
            _mark(roc, recall_axes, chosen[name], line["color"])
    roc.plot([0, 1], [0, 1], color="0.7", linewidth=1, linestyle="--")
    for share in {round(_prevalence(ranking), 4) for ranking in rankings.values()}:
        recall_axes.axhline(share, color="0.7", linewidth=1, linestyle="--")
        recall_axes.annotate(
            f"share changed {share:.3f}", (0.99, share), ha="right", va="bottom", color="0.4"
        )
    roc.set(title="ROC", xlabel="false positive rate", ylabel="true positive rate")
    recall_axes.set(title="Precision–recall", xlabel="recall", ylabel="precision")
    for axes in (roc, recall_axes):
        axes.set(xlim=(0, 1), ylim=(0, 1.01), aspect="equal")
        axes.grid(color="0.9")
    legend_style = {"fontsize": "small", "title_fontsize": "small", "frameon": False}
    legend = figure.legend(
        loc="outside right center", title="threshold-free", alignment="left", **legend_style
    )
    for text in legend.get_texts():
        text.set_parse_math(False)
    figure.suptitle(title, parse_math=False)
    buffer = BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _mark(roc: Axes, recall_axes: Axes, chosen: Confusion, color: str) -> None:
    """The point of a threshold on both curves."""
    dot: dict[str, Any] = {
        "color": color,
        "marker": "o",
        "markersize": 8,
        "markeredgecolor": "black",
    }
    roc.plot(chosen.fp / max(chosen.fp + chosen.tn, 1), chosen.recall, **dot)
    recall_axes.plot(chosen.recall, chosen.ua, **dot)
    recall_axes.annotate(
        f"threshold of the rule\nF1 {chosen.f1:.3f}",
        (chosen.recall, chosen.ua),
        xytext=(10, 10),
        textcoords="offset points",
        fontsize="small",
    )


def _prevalence(ranking: Ranking) -> float:
    """Share of the judged pixels that changed."""
    changed = ranking.changed.count
    return changed / max(changed + ranking.unchanged.count, 1)
