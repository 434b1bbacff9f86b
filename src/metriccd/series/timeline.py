"""A picture of a series: how much changed when, and where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import PercentFormatter

from metriccd.series.history import SAME, UNKNOWN, WORDS
from metriccd.series.order import Dated
from metriccd.series.rasters import COLORS, Color, date_colors

DPI, WIDTH = 100, 16.0  # dots per inch; inches
BARS, HEADER, LEGEND = 2.9, 0.6, 0.6  # inches
MISSING, PASSING = (158, 158, 158), "#d9d9d9"
ROW = 8  # entries of a legend in a row
# Most dates that are written below the bars, and named in the legend.
LABELS = 24


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """What the picture shows.

    Attributes:
        series: The images, in the order of time.
        lasting: Share of the pixels that changed between neighbors, and stayed so.
        passing: Share in which one of them differed alone.
        dates: Image of the first change of each pixel; 0 never, NaN without data.
        kinds: What became of each pixel.
        view: The last image for display, in [0, 1]; None where it does not lie on the rasters.
        title: First line.
        caption: Second line.
    """

    series: Sequence[Dated]
    lasting: Sequence[float]
    passing: Sequence[float]
    dates: Float32[np.ndarray, "row col"] = field(repr=False)
    kinds: UInt8[np.ndarray, "row col"] = field(repr=False)
    view: Float[np.ndarray, "3 row col"] | None = field(repr=False)
    title: str
    caption: str


def draw_timeline(drawn: Drawn) -> bytes:
    """Bars of what changed between neighbors, over maps of when it did and what became of it.

    A bar is as wide as the time between both images, and as high as the share that changed: what
    lasted in the color of its date, what did not in grey.

    Returns:
        PNG file.
    """
    rows, cols = drawn.kinds.shape
    side = WIDTH / 2 - 0.6
    tall = side * float(np.clip(rows / cols, 0.15, 3))
    height = HEADER + BARS + 0.9 + tall + LEGEND
    figure = Figure(figsize=(WIDTH, height), dpi=DPI, facecolor="white")
    colors = date_colors(len(drawn.series))
    literal: dict[str, Any] = {"parse_math": False, "va": "top"}
    figure.text(0.025, 1 - 0.16 / height, drawn.title, fontsize=18, weight="bold", **literal)
    figure.text(0.025, 1 - 0.5 / height, drawn.caption, fontsize=13, color="#444444", **literal)
    bottom = (LEGEND + tall + 0.9) / height
    bars = figure.add_axes((0.06, bottom, 0.915, (BARS - 0.75) / height))
    _draw_bars(bars, drawn, colors)
    names = [each.name for each in drawn.series[1:]]
    by_date = dict(zip(names, colors, strict=True))
    by_kind = {WORDS[kind]: color for kind, color in COLORS.items()}
    maps = (
        ("First lasting change", _dated(drawn, colors), _few(by_date)),
        ("What became of it", _kinds(drawn), by_kind),
    )
    for place, (title, picture, legend) in enumerate(maps):
        left = (0.4 + place * (side + 0.4)) / WIDTH
        ax = figure.add_axes((left, LEGEND / height, side / WIDTH, tall / height))
        ax.imshow(np.moveaxis(picture, 0, -1), interpolation="nearest")
        ax.set(xticks=[], yticks=[])
        ax.set_title(title, loc="left", fontsize=13)
        _draw_legend(ax, legend)
    buffer = BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _draw_bars(ax: Axes, drawn: Drawn, colors: Sequence[Color]) -> None:
    stamps = np.array([each.stamp for each in drawn.series], float)
    starts, widths = stamps[:-1], np.diff(stamps)
    lasting, passing = np.asarray(drawn.lasting), np.asarray(drawn.passing)
    shares = lasting + passing
    shades = ["#{:02x}{:02x}{:02x}".format(*color) for color in colors]
    edges: dict[str, Any] = {"align": "edge", "edgecolor": "white", "linewidth": 1.5}
    ax.bar(starts, lasting, widths, color=shades, **edges)
    ax.bar(starts, passing, widths, bottom=lasting, color=PASSING, **edges)
    for start, width, share in zip(starts, widths, shares, strict=True):
        ax.annotate(
            f"{share:.1%}",
            (start + width / 2, share),
            textcoords="offset points",
            xytext=(0, 3),
            ha="center",
            fontsize=10,
        )
    every = -(-len(stamps) // LABELS)
    shown = list(drawn.series)[::every]
    ax.set_xticks([each.stamp for each in shown])
    ax.set_xticklabels(
        [each.name for each in shown],
        rotation=0 if len(shown) <= ROW and _apart(stamps) else 30,
        ha="center" if len(shown) <= ROW and _apart(stamps) else "right",
        fontsize=10,
    )
    for label in ax.get_xticklabels()[-1:]:
        label.set_horizontalalignment("right")
    ax.set_xlim(stamps[0], stamps[-1])
    ax.set_ylim(0, 1.18 * max(shares.max(), 1e-6))
    ax.yaxis.set_major_formatter(PercentFormatter(1.0))
    ax.set_ylabel("changed since the image before", fontsize=10)
    ax.spines[["top", "right"]].set_visible(False)
    handles = [
        Patch(facecolor=shades[0], label="lasted: colored by date"),
        Patch(facecolor=PASSING, label="did not: there or back again"),
    ]
    ax.legend(handles=handles, loc="upper right", bbox_to_anchor=(1, 1.16), ncols=2, frameon=False)


def _apart(stamps: Float[np.ndarray, " image"]) -> bool:
    """Whether dates have room side by side."""
    return bool(np.diff(stamps).min() > 0.08 * (stamps[-1] - stamps[0]))


def _few(legend: dict[str, Color]) -> dict[str, Color]:
    """A legend of as many entries as there is room for, the first and the last among them."""
    if len(legend) <= LABELS:
        return legend
    places = np.unique(np.linspace(0, len(legend) - 1, LABELS).round().astype(int))
    names = list(legend)
    return {names[place]: legend[names[place]] for place in places.tolist()}


def _draw_legend(ax: Axes, entries: dict[str, Color]) -> None:
    handles = [
        Patch(facecolor="#{:02x}{:02x}{:02x}".format(*color), edgecolor="0.4", label=name)
        for name, color in entries.items()
    ]
    ax.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(0, 0),
        ncols=min(len(handles), ROW if len(handles) > 5 else 5),
        fontsize=9,
        frameon=False,
        borderpad=0.4,
        handlelength=1.2,
        columnspacing=1.0,
    )


def _ground(drawn: Drawn) -> UInt8[np.ndarray, "3 row col"]:
    """The last image in light grey, so that colors stand out; darker grey without data."""
    shape = drawn.kinds.shape
    grey = np.full(shape, 235.0)
    if drawn.view is not None:
        grey = 165 + 80 * np.nan_to_num(drawn.view.mean(axis=0), nan=0.5)
    ground = np.repeat(grey[np.newaxis], 3, axis=0).astype(np.uint8)
    ground[:, drawn.kinds == UNKNOWN] = np.array(MISSING, np.uint8)[:, None]
    return ground


def _dated(drawn: Drawn, colors: Sequence[Color]) -> UInt8[np.ndarray, "3 row col"]:
    picture = _ground(drawn)
    for number, color in enumerate(colors, start=2):
        picture[:, drawn.dates == number] = np.array(color, np.uint8)[:, None]
    return picture


def _kinds(drawn: Drawn) -> UInt8[np.ndarray, "3 row col"]:
    picture = _ground(drawn)
    for kind, color in COLORS.items():
        if kind != SAME:
            picture[:, drawn.kinds == kind] = np.array(color, np.uint8)[:, None]
    return picture
