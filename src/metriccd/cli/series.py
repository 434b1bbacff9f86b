"""The command that follows a place through more than two dates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from metriccd.cli.arguments import (
    Json,
    LogFile,
    Out,
    Overwrite,
    Quiet,
    Verbose,
    guarded,
    in_place,
    say_restored,
    usage,
)
from metriccd.cli.console import summarize_series
from metriccd.cli.detect import detect
from metriccd.cli.options import arguments_of, with_options_of
from metriccd.cli.program import say
from metriccd.cli.progress import show_progress

# torch takes seconds to import: a command imports what it needs, so that --help is at once.

OTHERS = ("t1", "t2", "dry_run")


@guarded
@with_options_of(detect, but=OTHERS)
def series(
    images: Annotated[
        list[str],
        typer.Argument(metavar="IMAGE", help="Images of one place: rasters, URLs, folders."),
    ],
    out: Out,
    dates: Annotated[
        str | None,
        typer.Option(
            help="When all images were taken, in the order given: 2019-06-01,2020-06-01,2021-06-01."
        ),
    ] = None,
    mask_of: Annotated[
        list[str] | None,
        typer.Option(
            "--mask-of",
            metavar="N=MASK",
            help="As --mask, of one image only: 2=clouds.tif is the second one's.",
        ),
    ] = None,
    workers: Annotated[
        int, typer.Option(min=1, max=1024, help="Processes, of which each compares a pair.")
    ] = 1,
    overwrite: Overwrite = False,
    verbose: Verbose = False,
    log_file: LogFile = None,
    quiet: Quiet = False,
    as_json: Json = False,
    **said: Any,
) -> None:
    """Tells when each pixel changed, how often, and whether it lasted, from two or more images.

    Neighbors in time, every other image, and the first with the last one are compared as detect
    does, on the grid of the first. Dates come from file names or --dates.
    """
    from metriccd.series import pairs_kept
    from metriccd.series import series as compare_all

    with usage():
        asked = arguments_of(said)
        masks_of = _masks_of(mask_of or ())
    del asked["dates"]
    say_restored(out, quiet=quiet)
    kept = pairs_kept(out)
    if kept and not quiet:
        say(f"resuming: {kept} pairs of the interrupted run are kept")
    with show_progress(quiet, verbose=verbose, log=log_file) as progress:
        summary = compare_all(
            out,
            images,
            dates=dates,
            masks_of=masks_of,
            overwrite=overwrite,
            workers=workers,
            progress=progress,
            **asked,
        )
    with in_place(out):
        summarize_series(out, summary, quiet=quiet, as_json=as_json)


def _masks_of(texts: Sequence[str]) -> dict[int, list[str]]:
    """Masks by the number of their image.

    Raises:
        ValueError: One of them names no image.
    """
    found: dict[int, list[str]] = {}
    for text in texts:
        number, _, mask = text.partition("=")
        if not (number.isascii() and number.isdigit() and len(number) < 4 and mask):
            raise ValueError(
                f"--mask-of must be a number and a mask, such as 2=clouds.tif: got {text[:80]}"
            )
        found.setdefault(int(number), []).append(mask)
    return found
