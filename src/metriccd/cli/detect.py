"""The command that detects change."""

from __future__ import annotations

from typing import Annotated

import typer

from metriccd.cli.arguments import (
    AllowRemote,
    Aoi,
    Assets,
    BandNamesOf,
    Bands,
    Bbox,
    BboxCrs,
    CheckpointOf,
    Clouds,
    Connect,
    Coregister,
    CoregisterLocal,
    DatesOf,
    Device,
    Extractor,
    FillHoles,
    Finding,
    First,
    Json,
    LogFile,
    Mask,
    MaskDilate,
    MaxPixels,
    MinArea,
    MinPixels,
    MissingValue,
    Offset,
    OnDevice,
    Out,
    Overwrite,
    Quiet,
    Rgb,
    Second,
    Seed,
    Simplify,
    Stac,
    Threshold,
    Vector,
    Verbose,
    Way,
    Zones,
    guarded,
    in_place,
    say_restored,
    usage,
)
from metriccd.cli.console import summarize
from metriccd.cli.options import READERS, SAFEGUARDS, arguments_of
from metriccd.cli.progress import show_progress
from metriccd.trust import MAX_PIXELS

# torch takes seconds to import: a command imports what it needs, so that --help is at once.


@guarded
def detect(
    t1: First,
    t2: Second,
    out: Out,
    preset: Annotated[
        str, typer.Option(help="default, fast, paper, released or imagenet.")
    ] = "default",
    method: Annotated[
        str | None, typer.Option(help="Another method: irmad, cva, pcda … instead.")
    ] = None,
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
    coregister: Coregister = False,
    coregister_local: CoregisterLocal = False,
    offset: Offset = "auto",
    nodata: MissingValue = None,
    band_names: BandNamesOf = None,
    dates: DatesOf = None,
    direction: Annotated[
        Way, typer.Option(help="What changed, what appeared in T2, or what disappeared from T1.")
    ] = Way.BOTH,
    threshold: Threshold = "auto",
    min_area: MinArea = None,
    min_pixels: MinPixels = None,
    fill_holes: FillHoles = None,
    connectivity: Connect = None,
    kinds: Annotated[
        str | None,
        typer.Option(
            help="Kinds of change that count: water-gained,built or '!seasonal'; docs/kinds.md."
        ),
    ] = None,
    simplify: Simplify = None,
    vector: Vector = None,
    zones: Zones = None,
    extractor: Extractor = None,
    checkpoint: CheckpointOf = None,
    device: OnDevice = Device.AUTO,
    seed: Seed = 0,
    allow_remote: AllowRemote = False,
    max_pixels: MaxPixels = MAX_PIXELS,
    overwrite: Overwrite = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything, say what would be done, stop.")
    ] = False,
    verbose: Verbose = False,
    log_file: LogFile = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Finds what changed between T1 and T2 and writes rasters, polygons and a report to OUT."""
    said = {name: value for name, value in locals().items() if name in (*READERS, *SAFEGUARDS)}

    from metriccd.cli.check import print_plan
    from metriccd.detection import detect_into

    with usage():
        asked = arguments_of(said)
    if dry_run:
        print_plan(t1, t2, asked, as_json=as_json)
        return
    say_restored(out, quiet=quiet)
    with show_progress(quiet, verbose=verbose, log=log_file) as progress:
        summary = detect_into(
            out,
            t1,
            t2,
            **asked,
            overwrite=overwrite,
            progress=progress,
        )
    with in_place(out):
        summarize(out, summary, quiet=quiet, as_json=as_json)
