"""What a command would do: its input is opened and checked, and nothing is written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import typer

from metriccd.cli.console import print_json

# torch takes seconds to import: a command imports what it needs, so that --help is at once.


def print_plan(t1: str, t2: str, asked: Mapping[str, Any], *, as_json: bool) -> None:
    """Opens the images as `detect` does, and says what it would do with them.

    Args:
        t1: First image.
        t2: Second image.
        asked: The other arguments of `detect_into`.
        as_json: One JSON object instead of lines.

    Raises:
        DataError: An image or the zones cannot be read, or the images cannot be compared.
        GridError: The images share no grid.
        WeightsError: The extractor's weights are not at hand.
    """
    from metriccd.detection import Detection, requested
    from metriccd.kinds import require_kinds
    from metriccd.methods import DEEP, METHODS, WindowedMethod
    from metriccd.nets import load_extractor

    request, products = requested("", t1, t2, **asked)
    detection = Detection.of(request)
    pair, preset = detection.pair, detection.preset
    products.check(pair.grid)
    pair.check()
    require_kinds(pair, asked["kinds"], seed=asked["seed"])
    if preset.method in DEEP:
        load_extractor(detection.options.extractor, levels=preset.fit.levels)
    crs = pair.grid.crs
    windowed = isinstance(METHODS[preset.method], WindowedMethod)
    plan = {
        "before": pair.t1.label,
        "after": pair.t2.label,
        "size": f"{pair.grid.height:,} rows × {pair.grid.width:,} columns",
        "CRS": "none" if crs is None else crs.to_string(),
        "bands": ", ".join(band.name for band in pair.t1.bands),
        "red, green, blue": ", ".join(pair.t1.bands[band].name for band in pair.rgb),
        "masks": ", ".join(mask.source.label for mask in pair.masks) or "none",
        "method": preset.method,
        "threshold": str(asked["threshold"])
        + (f" ({preset.threshold})" if asked["threshold"] == "auto" else ""),
        "memory": "tile by tile" if windowed else "the whole pair at once",
        "device": detection.options.device,
        "polygons": ", ".join(products.vector),
    }
    if as_json:
        print_json(plan)
        return
    for name, value in plan.items():
        typer.echo(f"{name:>17}: {value}")
    typer.echo("Nothing was written: leave out --dry-run to do it.")
