"""Maps on matplotlib's axes: a picture where it lies, with coordinates, scale bar and legend."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Shaped, UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.font_manager import FontProperties
from matplotlib.image import AxesImage
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from mpl_toolkits.axes_grid1.anchored_artists import AnchoredSizeBar

from metriccd.raster import Grid
from metriccd.report import COLOR_MAP, color_limit, reduce
from metriccd.scene import factor_of

WIDTH = 5.0  # inches of a new figure
LABELS = (0.6, 0.95)  # inches of them that names and numbers at the axes take, with the title
TICKS = 4  # along the longer axis
# A scale bar is as long as the longest of these, times a power of ten, that is a quarter at most.
ROUND, QUARTER = (5, 2, 1), 0.25
UNITS = {"metre": "m", "meter": "m", "US survey foot": "ft", "foot": "ft", "kilometre": "km"}
FRAME: dict[str, Any] = {"frameon": True, "framealpha": 0.85, "edgecolor": "none"}


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where pictures of a scene lie on axes.

    Attributes:
        grid: Of the scene. North is up where it has rows and columns along the axes of its CRS;
            otherwise axes count rows and columns.
    """

    grid: Grid

    def axes(self, ax: Axes | None = None, *, beside: float = 0.0) -> Axes:
        """The axes that were given, or those of a new figure of pyplot, which a notebook shows.

        Args:
            ax: What was given.
            beside: Room that a new figure has beside the map, in inches.
        """
        if ax is not None:
            return ax
        # Takes a third of a second to import, which whoever only detects does not wait for.
        import matplotlib.pyplot as plt  # noqa: PLC0415

        height = (WIDTH - LABELS[0]) * float(np.clip(self.tall, 0.1, 3)) + LABELS[1]
        return plt.subplots(figsize=(WIDTH + beside, height), layout="constrained")[1]

    def draw(
        self,
        ax: Axes,
        picture: Shaped[np.ndarray, "_row _col *channel"],
        *,
        coordinates: bool = True,
        scale_bar: bool = True,
        **options: Any,
    ) -> AxesImage:
        """Draws a picture of the whole scene, of any size.

        Args:
            ax: Where to.
            picture: Colors (row, col, channel) or values (row, col); NaN is transparent.
            coordinates: Label the axes.
            scale_bar: Draw one, in meters where they are known, otherwise in pixels.
            options: Of `imshow`.
        """
        left, right, bottom, top = self._extent(factor_of(self.grid.shape))
        image = ax.imshow(picture, extent=(left, right, bottom, top), **options)
        left, right, bottom, top = self._extent(1)
        up = self._placed
        ax.set_xlim(*(sorted((left, right)) if up else (left, right)))
        ax.set_ylim(*(sorted((bottom, top)) if up else (bottom, top)))
        ax.set_aspect(self._aspect)
        if coordinates:
            self._label(ax)
        else:
            ax.set(xticks=[], yticks=[])
        if scale_bar:
            self._add_scale_bar(ax)
        return image

    @property
    def tall(self) -> float:
        """Height of the scene as it is drawn, for a width of 1."""
        left, right, bottom, top = self._extent(1)
        return abs(top - bottom) * self._aspect / abs(right - left)

    @property
    def _placed(self) -> bool:
        """Whether the axes of the picture are those of the CRS."""
        t = self.grid.transform
        return self.grid.georeferenced and t.b == 0 == t.d

    @property
    def _steps(self) -> tuple[float, float]:
        """Columns and rows in units of the axes."""
        t = self.grid.transform
        return (t.a, t.e) if self._placed else (1.0, 1.0)

    @property
    def _aspect(self) -> float:
        """Length of a unit of y over that of a unit of x."""
        across, down = self.grid.sides or self.grid.pixel_size
        if self._placed and not (self.grid.crs is not None and self.grid.crs.is_geographic):
            return 1.0
        columns, rows = self._steps
        return (down / abs(rows)) / (across / abs(columns))

    def _extent(self, factor: int) -> tuple[float, float, float, float]:
        """Left, right, bottom, top of an overview of pixels `factor` times as large."""
        coarse = self.grid.coarser(factor)
        t = self.grid.transform
        left, top = (t.c, t.f) if self._placed else (0.0, 0.0)
        columns, rows = self._steps
        return (
            left,
            left + columns * factor * coarse.width,
            top + rows * factor * coarse.height,
            top,
        )

    def _label(self, ax: Axes) -> None:
        crs = self.grid.crs
        if not self._placed:
            ax.set(xlabel="column (pixels)", ylabel="row (pixels)")
        elif crs is None:
            ax.set(xlabel="x", ylabel="y")
        else:
            code = crs.to_epsg()
            named = "" if code is None else f", EPSG:{code}"
            unit = "°" if crs.is_geographic else UNITS.get(crs.linear_units, crs.linear_units)
            names = ("longitude", "latitude") if crs.is_geographic else ("easting", "northing")
            ax.set(xlabel=f"{names[0]} ({unit}){named}", ylabel=f"{names[1]} ({unit})")
        for axis, share in ((ax.xaxis, 1 / self.tall), (ax.yaxis, self.tall)):
            most = max(round(TICKS * min(share, 1)), 1)
            axis.set_major_locator(MaxNLocator(most, steps=[1, 2, 5, 10], min_n_ticks=1))
        # The whole number at each tick: 5,320,000, not 0 to 5 and "+5.32e6" in a corner.
        ax.ticklabel_format(style="plain", useOffset=False)
        ax.tick_params(axis="y", labelrotation=90)

    def _add_scale_bar(self, ax: Axes) -> None:
        sides = self.grid.sides
        pixel, unit = (1.0, "pixels") if sides is None else (sides[0], "m")
        length = _round(QUARTER * pixel * self.grid.width)
        if sides is None:
            length = max(length, 1.0)
        shown, unit = (length / 1000, "km") if unit == "m" and length >= 1000 else (length, unit)
        columns, rows = self._steps
        bar = AnchoredSizeBar(
            ax.transData,
            length / pixel * abs(columns),
            f"{shown:g} {unit}",
            "lower right",
            pad=0.4,
            borderpad=0.5,
            sep=3,
            frameon=True,
            fontproperties=FontProperties(size="small"),
            size_vertical=0.008 * abs(rows) * self.grid.height,
            color="black",
        )
        bar.patch.set(alpha=FRAME["framealpha"], edgecolor=FRAME["edgecolor"])
        ax.add_artist(bar)


def dated(name: str, *dates: np.datetime64) -> str:
    """A title with the days that are known: "Change, 2015-08-21 to 2017-06-21"."""
    known = [str(np.datetime_as_string(date, "D")) for date in dates if not np.isnat(date)]
    return f"{name}, {' to '.join(known)}" if len(known) == len(dates) else name


def add_legend(
    ax: Axes | Figure | SubFigure, colors: Mapping[str, tuple[int, int, int]], **options: Any
) -> None:
    """A legend of colored areas, in the lower left corner unless it is told otherwise."""
    handles = [
        Patch(facecolor="#{:02x}{:02x}{:02x}".format(*color), edgecolor="0.4", label=name)
        for name, color in colors.items()
    ]
    legend = ax.legend(
        handles=handles, **{"loc": "lower left", "fontsize": "small", **FRAME, **options}
    )
    for text in legend.get_texts():
        text.set_parse_math(False)


def add_score(
    ax: Axes,
    place: Place,
    score: Float[np.ndarray, "row col"],
    threshold: float,
    *,
    bar: bool = True,
    limit: float | None = None,
    **options: Any,
) -> AxesImage:
    """Draws a score, with its colors and the threshold in a bar beside it.

    Args:
        ax: Where to.
        place: Of the scene.
        score: Scores in [0, 1], NaN where not valid.
        threshold: Score above which a pixel is change.
        bar: Draw the bar.
        limit: Score at which the colors end; by default that of the report.
        options: Of `Place.draw`.
    """
    image = place.draw(
        ax,
        reduce(score, statistic="max"),
        cmap=COLOR_MAP,
        vmin=0,
        vmax=limit or color_limit(score, threshold),
        **options,
    )
    if bar:
        # As high as the map, whatever its shape.
        beside = ax.inset_axes((1.03, 0, 0.04, 1))
        label = f"change score (line: threshold, {threshold:.2g})"
        ax.figure.colorbar(image, cax=beside, extend="max", extendfrac=0.03, label=label)
        beside.axhline(threshold, color="white", linewidth=3)
        beside.axhline(threshold, color="black", linewidth=1)
    return image


def pixels_of(
    rgb: UInt8[np.ndarray, "3 row col"], seen: Bool[np.ndarray, "row col"]
) -> UInt8[np.ndarray, "row col 4"]:
    """A picture as `imshow` takes it, transparent where nothing is seen."""
    alpha = np.where(seen, 255, 0).astype(np.uint8)
    pixels: UInt8[np.ndarray, "row col 4"]
    pixels = np.moveaxis(np.concatenate([rgb, alpha[np.newaxis]]), 0, -1)
    return pixels


def seen(image: Float[np.ndarray, "3 row col"]) -> Bool[np.ndarray, "row col"]:
    """Where an image has data."""
    there: Bool[np.ndarray, "row col"] = ~np.isnan(image).any(axis=0)
    return there


def amount(pixels: int, area: float | None) -> str:
    """How much ground: in hectares, or km² where they are many; pixels where areas are unknown."""
    if area is None:
        return f"{pixels:,} pixels"
    return f"{area / 1e4:,.1f} ha" if area < 1e7 else f"{area / 1e6:,.1f} km²"


def _round(length: float) -> float:
    """The longest round length that is no longer."""
    power = 10.0 ** np.floor(np.log10(length))
    return float(next(step for step in ROUND if step * power <= length * (1 + 1e-9)) * power)
