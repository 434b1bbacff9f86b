"""The command that makes a pair, and detects what changed in it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from metriccd.cli.arguments import Json, Overwrite, Quiet, guarded, in_place, say_restored
from metriccd.cli.console import print_evaluation
from metriccd.cli.progress import show_progress

# torch takes seconds to import: a command imports what it needs, so that --help is at once.


@guarded
def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write.")] = Path("demo"),
    size: Annotated[int, typer.Option(min=128, max=4096, help="Rows and columns.")] = 512,
    seed: Annotated[int, typer.Option(min=0, help="Of the scene.")] = 0,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Makes a pair with known changes, detects them, evaluates, and writes the report."""
    from metriccd.demo import make_demo

    say_restored(out, quiet=quiet)
    with show_progress(quiet) as progress:
        found = make_demo(out, size=size, seed=seed, overwrite=overwrite, progress=progress)
    report = out / "report.html"
    places = {"out": str(out), "report": str(report)}
    with in_place(out):
        print_evaluation(found, places, quiet=quiet, as_json=as_json)
        if not (quiet or as_json):
            typer.echo(f"Open {report} in a browser, or {report.with_name('preview.png')}.")
