"""Results side by side: both dates, a reference, and what each found or missed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from string import ascii_lowercase
from typing import Any

import numpy as np
from jaxtyping import UInt8
from matplotlib.axes import Axes
from matplotlib.image import AxesImage

from metriccd.accuracy import Confusion, Known, Ranking, judged_pixels, read_reference
from metriccd.errors import GridError
from metriccd.figures.panels import Panels, named, overview, panels
from metriccd.gis import CHANGE, COLORS
from metriccd.raster import Image
from metriccd.report import (
    CHANGE_RGB,
    ERROR_MEANING,
    ERROR_RGB,
    NODATA_RGB,
    color_limit,
    error_map,
    reduce,
    shrunk,
)
from metriccd.result import Change, Place, add_legend, add_score

COLUMNS, WIDTH = 4, 2.4  # panels in a row, inches of each
BARE: dict[str, Any] = {"coordinates": False, "scale_bar": False}


def plot_comparison(
    changes: Change | Mapping[str, Change],
    reference: Image | tuple[Image, Image] | None = None,
    axes: Sequence[Axes] | np.ndarray | None = None,
    *,
    show: str = "map",
) -> Panels:
    """Draws both dates, the reference if there is one, and each result, with letters.

    With a reference maps tell what was found, missed and a false alarm, and titles have F1 or
    AUC; without, they show change in the color of the GIS styles.

    Args:
        changes: A result, or several by name, of one pair.
        reference: Ground truth, or masks of change and of no change, as `evaluate` takes it.
        axes: As many as there are pictures, or more; by default those of a new figure of pyplot.
        show: "map", or "score" on one scale of colors.

    Returns:
        The axes that were drawn on, in reading order.

    Raises:
        DataError: The reference's labels are ambiguous, or it knows no pixel of a result.
        GridError: The results, or the reference, do not lie on one grid.
        ValueError: There is no result, too few axes, or something else is to be shown.
    """
    if show not in ("map", "score"):
        raise ValueError(f"a comparison shows map or score: got {show!r}; choose one of them")
    results = named(changes)
    first = next(iter(results.values()))
    for name, change in results.items():
        if change.grid != first.grid:
            raise GridError(
                f"results side by side must lie on one grid: that of {name} is another; detect all "
                "on the grid of one image (grid=)"
            )
    place = Place(grid=first.grid)
    known = None if reference is None else read_reference(reference, first.grid)
    count = 2 + (known is not None) + len(results)
    height = WIDTH * float(np.clip(place.tall, 0.2, 3)) + 0.5
    drawn = panels(count, axes, columns=-(-count // -(-count // COLUMNS)), size=(WIDTH, height))
    first.plot(drawn[0], show="t1", coordinates=False)
    first.plot(drawn[1], show="t2", **BARE)
    titles = [ax.get_title("left").replace(", ", "\n") for ax in drawn[:2]]
    if known is not None:
        _draw_reference(drawn[2], place, known)
        titles.append("Reference\nwhite: change")
    images = []
    limit = max(color_limit(change.score, change.threshold) for change in results.values())
    for ax, (name, change) in zip(drawn[count - len(results) :], results.items(), strict=True):
        if show == "score":
            told = {"limit": limit, "bar": False} | BARE
            images.append(add_score(ax, place, change.score, change.threshold, **told))
        else:
            place.draw(ax, _map(change, known), **BARE)
        titles.append(f"{name}\n{_figure(change, known, show)}".rstrip())
    for ax, letter, title in zip(drawn, _letters(count), titles, strict=True):
        ax.set_title(f"({letter}) {title}", loc="left", fontsize="small", parse_math=False)
    if images:
        _add_bar(images[-1], drawn, [change.threshold for change in results.values()])
    else:
        colors = {"change": CHANGE_RGB}
        if known is not None:
            colors = {ERROR_MEANING[name]: rgb for name, rgb in ERROR_RGB["colorblind"].items()}
            if not all((change.valid & known[1]).all() for change in results.values()):
                colors["not judged"] = NODATA_RGB
        _add_legend(drawn, colors, own=axes is None)
    return drawn


def _draw_reference(ax: Axes, place: Place, reference: Known) -> None:
    changed, known = reference
    truth = np.where(known, changed, np.nan).astype(np.float32)
    place.draw(ax, reduce(truth), cmap="gray", vmin=0, vmax=1, **BARE)


def _map(change: Change, reference: Known | None) -> UInt8[np.ndarray, "row col _channel"]:
    """A change map in the color of change, or its errors in theirs."""
    if reference is None:
        found = overview(change.map.astype(np.uint8)) > 0
        picture = np.zeros((*found.shape, 4), np.uint8)
        picture[found] = COLORS[CHANGE]
        return picture
    changed, known = reference
    errors = error_map(change.map, changed, change.valid & known, "colorblind")
    return np.moveaxis(shrunk(errors), 0, -1)


def _figure(change: Change, reference: Known | None, show: str) -> str:
    """The figure that goes with a picture."""
    if reference is None:
        return f"{change.map.sum() / max(change.valid.sum(), 1):.2%} changed"
    changed, known = reference
    judged = judged_pixels(change.valid, known)
    if show == "map":
        return f"F1 {Confusion.from_maps(change.map, changed, judged).f1:.3f}"
    ranking = Ranking()
    ranking.update(change.score, changed, judged)
    return f"AUC {ranking.roc_auc():.3f}"


def _add_legend(drawn: Panels, colors: Mapping[str, tuple[int, int, int]], *, own: bool) -> None:
    """Under the figure, where it is ours; otherwise under the last map."""
    if own:
        add_legend(drawn[0].figure, colors, loc="outside lower center", ncols=len(colors))
    else:
        add_legend(drawn[-1], colors, loc="upper center", bbox_to_anchor=(0.5, 0))


def _add_bar(image: AxesImage, drawn: Panels, thresholds: Sequence[float]) -> None:
    """The colors of the scores under all of them, with a line at each threshold."""
    bar = drawn[0].figure.colorbar(
        image,
        ax=list(drawn),
        location="bottom",
        extend="max",
        shrink=0.5,
        aspect=40,
        label="change score (lines: thresholds)",
    )
    for threshold in sorted(set(thresholds)):
        bar.ax.axvline(threshold, color="white", linewidth=3)
        bar.ax.axvline(threshold, color="black", linewidth=1)


def _letters(count: int) -> list[str]:
    """a, b, c …, or numbers where there are too many."""
    if count <= len(ascii_lowercase):
        return list(ascii_lowercase[:count])
    return [str(number) for number in range(1, count + 1)]
