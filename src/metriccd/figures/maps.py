"""Maps of one result: what changed, and the kinds of it."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.axes import Axes

from metriccd.errors import DataError
from metriccd.figures.panels import overview
from metriccd.kinds import KINDS, NODATA, NONE
from metriccd.result import Census, Change, Place, add_legend, amount, dated

# The ground below kinds is gray, neither as dark nor as light as the grays that are kinds.
DARKEST, LIGHTEST = 0.45, 0.75


def plot(
    change: Change,
    ax: Axes | None = None,
    *,
    show: str = "change",
    coordinates: bool = True,
    scale_bar: bool = True,
    legend: bool = True,
) -> Axes:
    """Draws a map of a result, as `Change.plot` does, which explains the arguments."""
    return change.plot(ax, show=show, coordinates=coordinates, scale_bar=scale_bar, legend=legend)


def plot_kinds(
    change: Change,
    ax: Axes | None = None,
    *,
    coordinates: bool = True,
    scale_bar: bool = True,
    legend: bool = True,
) -> Axes:
    """Draws the kinds of change on the second image in gray, in the colors of the GIS styles.

    Args:
        change: The result.
        ax: Where to; by default a new figure of pyplot, which a notebook shows.
        coordinates: Label the axes.
        scale_bar: Draw one, in meters where they are known, otherwise in pixels.
        legend: Name each kind that is there and its area, the largest first.

    Raises:
        DataError: The result knows no kinds.
    """
    labels = change.kinds
    if labels is None:
        raise DataError(
            "a map of kinds needs the kinds of a result: this one has none of them; detect again"
        )
    place = Place(grid=change.grid)
    drawn = place.axes(ax, beside=2.2 if legend else 0.0)
    picture = _on_gray(change.t2_rgb, overview(np.where(labels == NODATA, NONE, labels)))
    place.draw(drawn, picture, coordinates=coordinates, scale_bar=scale_bar)
    drawn.set_title(dated("Kinds of change", *change.dates), loc="left")
    census = Census.of(labels, change.grid)
    found = [(name, kind) for name, kind in KINDS.items() if census.pixels[kind.value]]
    if legend and found:
        known = change.grid.has_areas
        sizes = {
            name: amount(
                int(census.pixels[kind.value]), float(census.area[kind.value]) if known else None
            )
            for name, kind in found
        }
        found.sort(key=lambda each: -census.pixels[each[1].value])
        add_legend(
            drawn,
            {f"{name}: {sizes[name]}": kind.color for name, kind in found},
            loc="upper left",
            bbox_to_anchor=(1.02, 1),
            borderaxespad=0,
        )
    return drawn


def _on_gray(
    image: Float[np.ndarray, "3 row col"], kinds: UInt8[np.ndarray, "row col"]
) -> UInt8[np.ndarray, "row col 4"]:
    """Kinds in their colors, on an image in gray; transparent where it has no data."""
    gray = DARKEST + (LIGHTEST - DARKEST) * image.mean(axis=0)
    alpha = np.where(np.isnan(gray), 0, 1)
    unchanged = np.dstack([*[np.nan_to_num(gray)] * 3, alpha])
    picture: UInt8[np.ndarray, "row col 4"] = np.rint(255 * unchanged).astype(np.uint8)
    for kind in KINDS.values():
        picture[kinds == kind.value] = (*kind.color, 255)
    return picture
