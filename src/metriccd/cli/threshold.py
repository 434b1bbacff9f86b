"""The command that decides again from a score."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from metriccd.cli.arguments import (
    OBJECTS,
    Connect,
    FillHoles,
    Json,
    LogFile,
    MinArea,
    Neighbors,
    Quiet,
    Simplify,
    Vector,
    Verbose,
    Zones,
    guarded,
    in_place,
    level_of,
    listed,
    say_restored,
    usage,
)
from metriccd.cli.console import summarize
from metriccd.cli.progress import show_progress

# torch takes seconds to import: a command imports what it needs, so that --help is at once.


@guarded
def threshold(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder that detect wrote.")],
    value: Annotated[
        str,
        typer.Argument(
            metavar="VALUE|RULE", help="A score from 0 to 1, a rule (otsu, kapur …), or auto."
        ),
    ],
    min_area: MinArea = None,
    min_pixels: Annotated[
        str | None,
        typer.Option(
            metavar="N|auto",
            help="Drop objects of fewer pixels; auto: of fewer than chance would connect, as "
            "detect does by default.",
            rich_help_panel=OBJECTS,
        ),
    ] = None,
    fill_holes: FillHoles = None,
    connectivity: Connect = None,
    kinds: Annotated[
        str | None,
        typer.Option(help="Kinds of change that count: '!seasonal', water-gained,built; all."),
    ] = None,
    simplify: Simplify = None,
    vector: Vector = None,
    zones: Zones = None,
    verbose: Verbose = False,
    log_file: LogFile = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Decides again from OUT's score, in seconds: map, polygons, report and records are replaced.

    What is not asked for stays as it was. Figures of an evaluation, which were those of the old
    map, are removed.
    """
    from metriccd.decision import Connectivity
    from metriccd.result import Archive, decide_again

    say_restored(out, quiet=quiet)
    with usage():
        level = level_of(value)
        archive = Archive.of(out)
        neighbors: Connectivity | None = None
        if connectivity is not None:
            neighbors = 8 if connectivity == Neighbors.EIGHT else 4
        cleaning = archive.cleaning.with_asked(
            min_pixels=_least(min_pixels),
            min_area=min_area,
            fill_holes=fill_holes,
            connectivity=neighbors,
        )
        products = archive.products.with_asked(
            vector=listed(vector), simplify=simplify, zones=zones
        )
        judged = (out / "evaluation.json").is_file()
        with show_progress(quiet, verbose=verbose, log=log_file) as progress:
            summary = decide_again(
                out,
                level,
                cleaning=cleaning,
                kinds=() if kinds == "all" else listed(kinds),
                products=products,
                progress=progress,
            )
    with in_place(out):
        if judged and not (quiet or as_json):
            typer.echo("The evaluation of the old map was removed; evaluate again.")
        summarize(out, summary, quiet=quiet, as_json=as_json)


def _least(text: str | None) -> int | Literal["auto"] | None:
    """Pixels that an object must have; None: as many as before."""
    if text is None:
        return None
    if text == "auto":
        return "auto"
    if not text.isascii() or not text.isdigit():
        raise ValueError(f"--min-pixels must be a whole number from 0, or auto: got {text[:40]}")
    return int(text)
