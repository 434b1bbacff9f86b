"""Several axes side by side: those that were given, or a new figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Shaped, UInt8
from matplotlib.axes import Axes

from metriccd.raster import Window
from metriccd.result import Change
from metriccd.scene import Maximum

Panels = Shaped[np.ndarray, " panel"]


def panels(
    count: int, axes: Sequence[Axes] | np.ndarray | None, *, columns: int, size: tuple[float, float]
) -> Panels:
    """Axes in reading order, one a panel.

    Args:
        count: How many.
        axes: Some that are there, in any shape, or None for a new figure of pyplot.
        columns: Of a new figure.
        size: Width and height of a panel of a new figure, in inches.

    Raises:
        ValueError: Too few were given.
    """
    if axes is None:
        # Takes a third of a second to import, which whoever brings axes need not wait for.
        import matplotlib.pyplot as plt  # noqa: PLC0415

        rows = -(-count // columns)
        figure = plt.figure(figsize=(columns * size[0], rows * size[1]), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False)
        for spare in axes.ravel()[count:]:
            spare.remove()
    found = np.ravel(np.asarray(axes, dtype=object))
    if len(found) < count:
        raise ValueError(f"this figure takes {count} axes: got {len(found)}; give more, or none")
    chosen: Panels = found[:count]
    return chosen


def legend_on(ax: Axes, *, below: bool, **settings: Any) -> None:
    """Names the lines of a panel: below it, where none lies under the names, or within it.

    Args:
        ax: The panel.
        below: Whether there is room below, as in a figure of our own.
        settings: As `Axes.legend` takes them.
    """
    place: dict[str, Any] = {
        "loc": "upper center",
        "bbox_to_anchor": (0.5, -0.14),
        "frameon": False,
    }
    if below:  # square panels leave what is over below them, too
        ax.set_anchor("N")
    legend = ax.legend(fontsize="small", **(place if below else {}), **settings)
    for text in legend.get_texts():
        text.set_parse_math(False)


def named(changes: Change | Mapping[str, Change]) -> dict[str, Change]:
    """Results by name; a single one goes by its method.

    Raises:
        ValueError: There is none.
    """
    if isinstance(changes, Change):
        return {changes.record.get("settings", {}).get("method") or "change": changes}
    if not changes:
        raise ValueError("a figure needs a result: got none")
    return dict(changes)


def overview(labels: UInt8[np.ndarray, "row col"]) -> UInt8[np.ndarray, "_row _col"]:
    """The largest label of each block, at the size of pictures: nothing is too small to be seen."""
    largest = Maximum.of(labels.shape)
    largest.add(Window.whole(labels.shape), labels.astype(np.float32))
    return largest.array.astype(np.uint8)
