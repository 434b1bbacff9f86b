"""The command that says what `detect` would do, before it does."""

from __future__ import annotations

from dataclasses import replace

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
from metriccd.cli.console import print_checkup
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
