"""What `detect` would do, before it does: the command that says it, and the dry run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import typer

from metriccd.cli.arguments import (
    AllowRemote,
    Aoi,
    Assets,
    BandNamesOf,
    Bands,
    Bbox,
    BboxCrs,
    Clouds,
    DatesOf,
    Finding,
    First,
    Json,
    Mask,
    MaskDilate,
    MaxPixels,
    MissingValue,
    Offset,
    Quiet,
    Rgb,
    Second,
    Stac,
    assets_of,
    guarded,
    listed,
    missing_value,
    usage,
)
from metriccd.cli.console import expense, print_checkup, print_json
from metriccd.cli.progress import show_progress
from metriccd.trust import MAX_PIXELS, Trust

# torch takes seconds to import: a command imports what it needs, so that --help is at once.


@guarded
def check(
    t1: First,
    t2: Second,
    stac: Stac = False,
    assets: Assets = None,
    bands: Bands = None,
    rgb: Rgb = None,
    mask: Mask = None,
    mask_dilate: MaskDilate = 0,
    clouds: Clouds = Finding.NO,
    bbox: Bbox = None,
    bbox_crs: BboxCrs = None,
    aoi: Aoi = None,
    nodata: MissingValue = None,
    band_names: BandNamesOf = None,
    dates: DatesOf = None,
    offset: Offset = "auto",
    allow_remote: AllowRemote = False,
    max_pixels: MaxPixels = MAX_PIXELS,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Says what detect would do with T1 and T2, and what it would stumble over; writes nothing."""
    from metriccd.check import check_up, costs
    from metriccd.pair import read_pair
    from metriccd.stages import Stages

    with show_progress(quiet or as_json) as progress:
        trust = Trust(allow_remote=allow_remote, max_pixels=max_pixels)
        with usage(), trust.applied():
            pair = read_pair(
                t1,
                t2,
                bands=listed(bands),
                rgb=listed(rgb),
                masks=mask or (),
                mask_dilate=mask_dilate,
                bbox=bbox,
                bbox_crs=bbox_crs,
                aoi=aoi,
                nodata=missing_value(nodata),
                band_names=listed(band_names),
                dates=dates,
                offset=offset,
                assets=assets_of(stac, assets),
                clouds="auto" if clouds is Finding.AUTO else None,
            )
        stages = Stages(progress)
        found, refusal = check_up(pair, stages), pair.refusal(stages)
        refused = [] if refusal is None else [f"detect refuses this pair: {refusal}"]
        found = replace(found, warnings=[*refused, *pair.warnings, *found.warnings])
    print_checkup(found, costs(pair.grid.shape, len(pair.t1.bands)), as_json=as_json, quiet=quiet)


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
    from metriccd.supervised import load_checkpoint

    request, products = requested("", t1, t2, **asked)
    detection = Detection.of(request)
    pair, preset = detection.pair, detection.preset
    products.check(pair.grid)
    pair.check()
    require_kinds(pair, asked["kinds"], seed=asked["seed"])
    if preset.method in DEEP:
        load_extractor(detection.options.extractor, levels=preset.fit.levels)
    learned = ""
    if preset.checkpoint is not None:
        about = load_checkpoint(Path(preset.checkpoint), preset.method).about
        learned = f" (supervised: {len(about.places)} places of {about.dataset})"
    crs = pair.grid.crs
    windowed = isinstance(METHODS[preset.method], WindowedMethod)
    cost = detection.cost()
    plan = {
        "before": pair.t1.label,
        "after": pair.t2.label,
        "size": f"{pair.grid.height:,} rows × {pair.grid.width:,} columns",
        "CRS": "none" if crs is None else crs.to_string(),
        "bands": ", ".join(band.name for band in pair.t1.bands),
        "red, green, blue": ", ".join(pair.t1.bands[band].name for band in pair.rgb),
        "masks": ", ".join(mask.source.label for mask in pair.masks) or "none",
        "method": f"{preset.method}{learned}",
        "threshold": str(asked["threshold"])
        + (f" ({preset.threshold})" if asked["threshold"] == "auto" else ""),
        "memory": "tile by tile" if windowed else "the whole pair at once",
        "cost": "not known of this method" if cost is None else expense(cost),
        "device": detection.options.device,
        "polygons": ", ".join(products.vector),
    }
    if as_json:
        print_json(plan)
        return
    for name, value in plan.items():
        typer.echo(f"{name:>17}: {value}")
    typer.echo("Nothing was written: leave out --dry-run to do it.")
