"""Pictures of several panels: the preview of a result, and the errors of each method."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float, UInt8
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from metriccd.report.pictures import (
    COLOR_MAP,
    ERROR_MEANING,
    ERROR_RGB,
    NODATA_RGB,
    color_limit,
    error_map,
    overlay,
    reduce,
    to_uint8,
)

DPI = 100

WIDTH = 1600  # pixels of the preview
# Kinds that the legend of the preview names, in two rows.
LEGEND = 8
_MARGIN, _GAP, _HEADER, _LABEL, _FOOTER = 28, 24, 84, 30, 62  # pixels of the preview


@dataclass(frozen=True, kw_only=True)
class KindsDrawn:
    """Kinds of change as a picture shows them.

    Attributes:
        labels: Value of each pixel's kind; 0 where nothing changed.
        colors: Name → value and color.
    """

    labels: UInt8[np.ndarray, "row col"]
    colors: Mapping[str, tuple[int, tuple[int, int, int]]]


def panels(
    t1: Float[np.ndarray, "3 row col"],
    t2: Float[np.ndarray, "3 row col"],
    score: Float[np.ndarray, "row col"],
    threshold: float,
    *,
    kinds: KindsDrawn | None = None,
    title: str,
    caption: str,
) -> UInt8[np.ndarray, "3 _row _col"]:
    """Four labeled panels: before, after, score with its scale, change on the after image.

    Two by two, or four in a row where the scene is much taller than wide.

    Args:
        t1: Before, in [0, 1], NaN where invalid.
        t2: After, likewise.
        score: Scores in [0, 1], NaN where invalid.
        threshold: Score above which a pixel is change.
        kinds: Of change, where they are known: the last panel shows them.
        title: First line; taken literally and shortened in its middle if long.
        caption: Second line.

    Returns:
        Picture `WIDTH` pixels wide.
    """
    columns = 4 if score.shape[0] > 1.6 * score.shape[1] else 2
    figure, axes = _panel_grid(WIDTH, columns, score.shape[0] / score.shape[1])
    _write_header(figure, title, caption)
    for ax, label in zip(
        axes, ("Before (t1)", "After (t2)", "Change score", "Change"), strict=True
    ):
        ax.set_title(label, loc="left", fontsize=13)
        ax.set(xticks=[], yticks=[])
    axes[0].imshow(np.moveaxis(to_uint8(t1), 0, -1))
    axes[1].imshow(np.moveaxis(to_uint8(t2), 0, -1))
    _draw_score(figure, axes[2], score, threshold)
    changed = overlay(t2, score > threshold)
    if kinds is None:
        axes[3].set_xlabel("tinted: score above the threshold", fontsize=11, labelpad=6)
    else:
        axes[3].set_title("Change, by kind", loc="left", fontsize=13)
        for value, color in kinds.colors.values():
            changed[:, kinds.labels == value] = np.array(color, np.uint8)[:, None]
        _kind_legend(axes[3], kinds)
    axes[3].imshow(np.moveaxis(changed, 0, -1))
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]  # matplotlib leaves both unannotated
    picture: UInt8[np.ndarray, "3 _row _col"]
    pixels = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
    picture = np.moveaxis(pixels[..., :3], -1, 0)
    return picture


def _kind_legend(ax: Axes, kinds: KindsDrawn) -> None:
    """The most frequent kinds, as many as there is room for, under a panel."""
    handles = [
        Patch(facecolor="#{:02x}{:02x}{:02x}".format(*color), edgecolor="0.4", label=name)
        for name, (_, color) in list(kinds.colors.items())[:LEGEND]
    ]
    ax.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(0, 0),
        ncols=LEGEND // 2,
        fontsize=9,
        frameon=False,
        borderpad=0.3,
        handlelength=1.2,
        columnspacing=1.0,
    )


def error_panel(
    images: Mapping[str, Float[np.ndarray, "3 row col"]],
    reference: Bool[np.ndarray, "row col"],
    judged: Bool[np.ndarray, "row col"],
    maps: Mapping[str, Bool[np.ndarray, "row col"]],
    *,
    caption: str,
    palette: Literal["paper", "colorblind"] = "paper",
    width: int = 1800,
    title: str = "Errors of each method",
) -> bytes:
    """Images, reference and the error map of each change map, as Figures 5–7 of Bandara & Patel.

    Args:
        images: Title → red, green and blue in [0, 1], NaN where invalid.
        reference: Ground truth, True = change: white, else black.
        judged: True = usable and known to the reference; all else is grey.
        maps: Title → change map, True = change.
        caption: Second line.
        palette: Key of `ERROR_RGB`.
        width: Pixels.
        title: First line.

    Returns:
        PNG file.
    """
    truth = np.where(judged, reference.astype(np.float32), np.float32(np.nan))
    pictures = dict(images) | {
        "reference (white: change)": np.broadcast_to(truth, (3, *truth.shape))
    }
    for name, change in maps.items():
        # Each pixel of the overview mixes the colors of its block by their areas.
        pictures[name] = error_map(change, reference, judged, palette).astype(np.float32) / 255
    columns = min(len(pictures), 4) if len(pictures) <= 12 else 5
    shape = truth.shape
    figure, axes = _panel_grid(width, columns, shape[0] / shape[1], count=len(pictures))
    _write_header(figure, title, caption)
    for ax, (name, picture) in zip(axes, pictures.items(), strict=True):
        ax.set_title(name, loc="left", fontsize=11, parse_math=False)
        ax.set(xticks=[], yticks=[])
        ax.imshow(np.moveaxis(to_uint8(reduce(picture, long_side=width // 2)), 0, -1))
    _error_legend(figure, palette)
    buffer = BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _error_legend(figure: Figure, palette: Literal["paper", "colorblind"]) -> None:
    colors = {f"{key}  {ERROR_MEANING[key]}": rgb for key, rgb in ERROR_RGB[palette].items()}
    colors["not judged"] = NODATA_RGB
    handles = [
        Patch(facecolor="#{:02x}{:02x}{:02x}".format(*rgb), edgecolor="0.4", label=label)
        for label, rgb in colors.items()
    ]
    corner = (_MARGIN / (figure.get_figwidth() * DPI), 18 / (figure.get_figheight() * DPI))
    figure.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=corner,
        borderpad=0,
        borderaxespad=0,
        ncols=len(handles),
        fontsize=12,
        frameon=False,
        handletextpad=0.5,
    )


def _panel_grid(
    width: int, columns: int, aspect: float, count: int = 4
) -> tuple[Figure, list[Axes]]:
    """Figure and its axes, placed to the pixel so that every scene fills its panels."""
    side = (width - 2 * _MARGIN - (columns - 1) * _GAP) // columns
    # A strip of a scene would make the picture endless or its panels invisible.
    tall = round(side * float(np.clip(aspect, 0.15, 6)))
    rows = -(-count // columns)
    height = _HEADER + rows * (_LABEL + tall) + (rows - 1) * _GAP + _FOOTER
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor="white")
    axes = []
    for panel in range(count):
        row, column = divmod(panel, columns)
        left = _MARGIN + column * (side + _GAP)
        top = _HEADER + _LABEL + row * (_LABEL + tall + _GAP)
        bottom = height - top - tall
        axes.append(figure.add_axes((left / width, bottom / height, side / width, tall / height)))
    return figure, axes


def _write_header(figure: Figure, title: str, caption: str) -> None:
    height = figure.get_figheight() * DPI
    left = _MARGIN / (figure.get_figwidth() * DPI)
    line = title if len(title) <= 96 else f"{title[:47]} … {title[-46:]}"
    # A file name may hold dollar signs, which matplotlib would read as formulas.
    literal: dict[str, Any] = {"parse_math": False, "va": "top"}
    figure.text(left, 1 - 16 / height, line, fontsize=18, weight="bold", **literal)
    figure.text(left, 1 - 52 / height, caption, fontsize=13, color="#444444", **literal)


def _draw_score(
    figure: Figure, ax: Axes, score: Float[np.ndarray, "row col"], threshold: float
) -> None:
    colors = colormaps[COLOR_MAP].with_extremes(bad="#{:02x}{:02x}{:02x}".format(*NODATA_RGB))
    image = ax.imshow(score, cmap=colors, vmin=0, vmax=color_limit(score, threshold))
    box, pixel = ax.get_position(), 1 / (figure.get_figheight() * DPI)
    bar = figure.add_axes((box.x0, box.y0 - 24 * pixel, box.width, 14 * pixel))
    figure.colorbar(image, cax=bar, orientation="horizontal", extend="max", ticks=MaxNLocator(4))
    bar.axvline(threshold, color="white", linewidth=3)
    bar.axvline(threshold, color="black", linewidth=1)
