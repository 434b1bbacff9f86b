"""Pictures of a result: overviews, error maps, encoded images and the four-panel preview.

Arrays in, pictures out; nothing here knows about files or pages. No data is painted grey.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float, Float32, Shaped, UInt8
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import imsave
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from scipy.ndimage import binary_erosion
from skimage.measure import block_reduce

from metriccd import style
from metriccd.metrics import Ranking
from metriccd.overview import LONG_SIDE, factor_of

COLOR_MAP = "magma"
# Each date is stretched between these percentiles for display.
DISPLAY_PERCENTILES = (2, 98)
CHANGE_RGB = style.COLORS[style.CHANGE][:3]
NODATA_RGB = (158, 158, 158)
# "paper" is the palette of Bandara & Patel's figures; "colorblind" keeps its hues in the variants
# of Okabe & Ito, Color Universal Design (2008).
ERROR_RGB = {
    "paper": {"TP": (0, 160, 0), "TN": (255, 255, 255), "FP": (220, 0, 0), "FN": (0, 0, 220)},
    "colorblind": {
        "TP": (0, 158, 115),
        "TN": (255, 255, 255),
        "FP": (213, 94, 0),
        "FN": (0, 114, 178),
    },
}

ERROR_MEANING = {
    "TP": "change, found",
    "TN": "no change, none found",
    "FP": "false alarm",
    "FN": "change, missed",
}

_DPI = 100
WIDTH = 1600  # pixels of the preview
_MARGIN, _GAP, _HEADER, _LABEL, _FOOTER = 28, 24, 84, 30, 62  # pixels of the preview


def reduce(
    array: Float[np.ndarray, "*band row col"],
    *,
    long_side: int = LONG_SIDE,
    statistic: Literal["mean", "max"] = "mean",
) -> Float[np.ndarray, "*band small_row small_col"]:
    """Overview of an array: one pixel for each block of k×k, k the smallest that fits.

    Use the mean for images. Use the maximum for scores: then `overview > threshold` holds exactly
    where any pixel of the block is change, so no change is too small to be seen, and the overview
    exaggerates its area instead. Count areas on the full array, never on an overview.

    Args:
        array: Values, NaN where invalid.
        long_side: Most rows or columns the overview may have.
        statistic: What stands for a block; invalid pixels do not take part.

    Returns:
        Overview, NaN where a block has no valid pixel; the array itself if it already fits.

    Raises:
        ValueError: `long_side` is below 1.
    """
    if long_side < 1:
        raise ValueError(f"long_side must be at least 1, got {long_side}: pass a size in pixels")
    height, width = array.shape[-2:]
    factor = factor_of((height, width), long_side)
    if factor == 1:
        return array
    block = (1,) * (array.ndim - 2) + (factor, factor)
    valid = ~np.isnan(array)
    count = _over_blocks(valid, block, np.sum, 0)
    if statistic == "max":
        value = _over_blocks(np.where(valid, array, -np.inf), block, np.max, -np.inf)
    else:
        value = _over_blocks(np.where(valid, array, 0.0), block, np.sum, 0) / np.maximum(count, 1)
    return np.where(count > 0, value, np.nan).astype(array.dtype)


def _over_blocks(
    array: Shaped[np.ndarray, "*shape"],
    block: tuple[int, ...],
    statistic: Callable[..., Any],
    beyond: float,
) -> Shaped[np.ndarray, "*small"]:
    """Statistic of each block; blocks that cross the edge are filled up with `beyond`."""
    value: Shaped[np.ndarray, "*small"] = block_reduce(array, block, statistic, cval=beyond)  # type: ignore[no-untyped-call]
    return value


def to_uint8(image: Float[np.ndarray, "3 row col"]) -> UInt8[np.ndarray, "3 row col"]:
    """Display bytes of an image in [0, 1]; grey where any band is NaN.

    Args:
        image: Red, green and blue; values outside [0, 1] are clipped.

    Returns:
        Rounded 8-bit image.
    """
    missing = np.isnan(image).any(axis=0)
    rgb: UInt8[np.ndarray, "3 row col"]
    rgb = np.rint(np.clip(np.nan_to_num(image), 0, 1) * 255).astype(np.uint8)
    rgb[:, missing] = np.array(NODATA_RGB, np.uint8)[:, None]
    return rgb


def stretched(image: Float[np.ndarray, "3 row col"]) -> Float32[np.ndarray, "3 row col"]:
    """An image in any unit for display: each band between percentiles, in [0, 1]; NaN stays."""
    known = image[:, ~np.isnan(image).any(axis=0)]
    if not known.size:
        return image.astype(np.float32)
    low, high = np.percentile(known, DISPLAY_PERCENTILES, axis=1)[..., None, None]
    span = np.where(high > low, high - low, 1)
    shown: Float32[np.ndarray, "3 row col"] = np.clip((image - low) / span, 0, 1)
    return shown.astype(np.float32)


def error_map(
    change: Bool[np.ndarray, "row col"],
    reference: Bool[np.ndarray, "row col"],
    valid: Bool[np.ndarray, "row col"],
    palette: Literal["paper", "colorblind"] = "paper",
) -> UInt8[np.ndarray, "3 row col"]:
    """Picture of true and false positives and negatives, one color each.

    Args:
        change: Change map, True = change.
        reference: Ground truth, True = change.
        valid: True = usable; all else is grey.
        palette: Key of `ERROR_RGB`: true positives green, true negatives white, false positives
            red, false negatives blue, in the paper's or in the Okabe–Ito variants.

    Returns:
        Red, green and blue.
    """
    colors = ERROR_RGB[palette]
    rgb = np.empty((3, *change.shape), np.uint8)
    rgb[:] = np.array(NODATA_RGB, np.uint8)[:, None, None]
    for name, where in (
        ("TP", change & reference),
        ("TN", ~change & ~reference),
        ("FP", change & ~reference),
        ("FN", ~change & reference),
    ):
        rgb[:, where & valid] = np.array(colors[name], np.uint8)[:, None]
    return rgb


def overlay(
    image: Float[np.ndarray, "3 row col"], change: Bool[np.ndarray, "row col"]
) -> UInt8[np.ndarray, "3 row col"]:
    """Change tinted and outlined on an image.

    Args:
        image: Red, green and blue in [0, 1], NaN where invalid.
        change: Change map, True = change.

    Returns:
        Red, green and blue; pixels without change are those of `to_uint8`.
    """
    rgb = to_uint8(image)
    color = np.array(CHANGE_RGB, float)[:, None]
    rgb[:, change] = np.rint(0.55 * rgb[:, change] + 0.45 * color).astype(np.uint8)
    rgb[:, change & ~binary_erosion(change, border_value=1)] = color.astype(np.uint8)
    return rgb


def encode(
    rgb: UInt8[np.ndarray, "3 row col"], file_format: Literal["png", "jpeg"], *, quality: int = 82
) -> bytes:
    """Image file in memory.

    Args:
        rgb: Red, green and blue.
        file_format: "png" keeps every value, "jpeg" is small.
        quality: JPEG quality, 1 to 95; PNG takes no notice of it.

    Returns:
        The bytes of the file.
    """
    buffer = BytesIO()
    picture = np.moveaxis(rgb, 0, -1)
    # PNG's default compression takes 2.6 times as long and saves a tenth.
    options = {"compress_level": 1} if file_format == "png" else {"quality": quality}
    imsave(buffer, picture, format=file_format, pil_kwargs=options)
    return buffer.getvalue()


def color_limit(score: Float[np.ndarray, "row col"], threshold: float) -> float:
    """Score at which the color scale ends: the 99.5th percentile, or the threshold if higher.

    Args:
        score: Scores in [0, 1], NaN where invalid.
        threshold: Score above which a pixel is change.

    Returns:
        A number in (0, 1]; 1 where the score gives no scale.
    """
    known = score[~np.isnan(score)]
    limit = max(float(np.percentile(known, 99.5)) if known.size else 0.0, threshold)
    return min(limit, 1.0) if limit > 0 else 1.0


def color_table() -> UInt8[np.ndarray, "256 3"]:
    """Colors of the score from 0 to `color_limit`, the same in every picture."""
    table: UInt8[np.ndarray, "256 3"] = colormaps[COLOR_MAP](np.arange(256), bytes=True)[:, :3]
    return table


def panels(
    t1: Float[np.ndarray, "3 row col"],
    t2: Float[np.ndarray, "3 row col"],
    score: Float[np.ndarray, "row col"],
    threshold: float,
    *,
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
    axes[3].imshow(np.moveaxis(overlay(t2, score > threshold), 0, -1))
    _draw_score(figure, axes[2], score, threshold)
    axes[3].set_xlabel("tinted: score above the threshold", fontsize=11, labelpad=6)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]  # matplotlib leaves both unannotated
    drawn: UInt8[np.ndarray, "3 _row _col"]
    pixels = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
    drawn = np.moveaxis(pixels[..., :3], -1, 0)
    return drawn


def error_panel(
    images: Mapping[str, Float[np.ndarray, "3 row col"]],
    reference: Bool[np.ndarray, "row col"],
    judged: Bool[np.ndarray, "row col"],
    maps: Mapping[str, Bool[np.ndarray, "row col"]],
    *,
    caption: str,
    palette: Literal["paper", "colorblind"] = "paper",
    width: int = 1800,
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

    Returns:
        PNG file.
    """
    truth = np.where(judged, reference.astype(np.float32), np.float32(np.nan))
    pictures = dict(images) | {
        "reference (white: change)": np.broadcast_to(truth, (3, *truth.shape))
    }
    for title, change in maps.items():
        # Each pixel of the overview mixes the colors of its block by their areas.
        pictures[title] = error_map(change, reference, judged, palette).astype(np.float32) / 255
    columns = 4 if len(pictures) <= 12 else 5
    shape = truth.shape
    figure, axes = _panel_grid(width, columns, shape[0] / shape[1], count=len(pictures))
    _write_header(figure, "Errors of each method", caption)
    for ax, (title, picture) in zip(axes, pictures.items(), strict=True):
        ax.set_title(title, loc="left", fontsize=11, parse_math=False)
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
    corner = (_MARGIN / (figure.get_figwidth() * _DPI), 18 / (figure.get_figheight() * _DPI))
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
    figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI, facecolor="white")
    axes = []
    for panel in range(count):
        row, column = divmod(panel, columns)
        left = _MARGIN + column * (side + _GAP)
        top = _HEADER + _LABEL + row * (_LABEL + tall + _GAP)
        bottom = height - top - tall
        axes.append(figure.add_axes((left / width, bottom / height, side / width, tall / height)))
    return figure, axes


def _write_header(figure: Figure, title: str, caption: str) -> None:
    height = figure.get_figheight() * _DPI
    left = _MARGIN / (figure.get_figwidth() * _DPI)
    short = title if len(title) <= 96 else f"{title[:47]} … {title[-46:]}"
    # A file name may hold dollar signs, which matplotlib would read as formulas.
    literal: dict[str, Any] = {"parse_math": False, "va": "top"}
    figure.text(left, 1 - 16 / height, short, fontsize=18, weight="bold", **literal)
    figure.text(left, 1 - 52 / height, caption, fontsize=13, color="#444444", **literal)


def _draw_score(
    figure: Figure, ax: Axes, score: Float[np.ndarray, "row col"], threshold: float
) -> None:
    colors = colormaps[COLOR_MAP].with_extremes(bad="#{:02x}{:02x}{:02x}".format(*NODATA_RGB))
    image = ax.imshow(score, cmap=colors, vmin=0, vmax=color_limit(score, threshold))
    box, pixel = ax.get_position(), 1 / (figure.get_figheight() * _DPI)
    bar = figure.add_axes((box.x0, box.y0 - 24 * pixel, box.width, 14 * pixel))
    figure.colorbar(image, cax=bar, orientation="horizontal", extend="max", ticks=MaxNLocator(4))
    bar.axvline(threshold, color="white", linewidth=3)
    bar.axvline(threshold, color="black", linewidth=1)


def curves(rankings: Mapping[str, Ranking], *, title: str = "") -> bytes:
    """ROC and precision–recall curves side by side, one color for each ranking.

    Args:
        rankings: Name → scores of changed and unchanged reference pixels.
        title: Of both together; taken literally.

    Returns:
        PNG file, 1400 × 560 pixels.
    """
    figure = Figure(figsize=(14, 5.6), dpi=_DPI, layout="constrained")
    roc, recall_axes = figure.subplots(1, 2)
    for number, (name, ranking) in enumerate(rankings.items()):
        # Ten colors, then the same ones dashed and dotted.
        line = {"color": f"C{number % 10}", "linestyle": ("-", "--", ":")[number // 10 % 3]}
        areas = f"AUC {ranking.roc_auc():.3f}  AP {ranking.average_precision():.3f}"
        roc.plot(*ranking.roc_curve(), label=f"{areas}  {name}", **line)
        precision, recall = ranking.precision_recall_curve()
        recall_axes.plot(recall, precision, **line)
    roc.plot([0, 1], [0, 1], color="0.7", linewidth=1, linestyle="--")
    roc.set(title="ROC", xlabel="false positive rate", ylabel="true positive rate")
    recall_axes.set(title="Precision–recall", xlabel="recall", ylabel="precision")
    for axes in (roc, recall_axes):
        axes.set(xlim=(0, 1), ylim=(0, 1.01), aspect="equal")
        axes.grid(color="0.9")
    style_of_legend = {"fontsize": "small", "title_fontsize": "small", "frameon": False}
    legend = figure.legend(
        loc="outside right center", title="threshold-free", alignment="left", **style_of_legend
    )
    for text in legend.get_texts():
        text.set_parse_math(False)
    figure.suptitle(title, parse_math=False)
    buffer = BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
