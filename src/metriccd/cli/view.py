"""The command that shows results in a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from metriccd.cli.arguments import guarded
from metriccd.cli.program import say

# The server takes a while to import: --help is at once.


@guarded
def view(
    out: Annotated[
        list[Path],
        typer.Argument(metavar="OUT…", help="Folders that detect wrote, or that batch wrote."),
    ],
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of this machine; 0: any free one.")
    ] = 0,
    no_open: Annotated[bool, typer.Option("--no-open", help="Open no browser.")] = False,
) -> None:
    """Shows results of any size in a browser of this machine, and keeps what you answer of them.

    Both dates, score and kinds, tile by tile; objects to accept, reject or give another kind, saved
    at once to OUT/review.gpkg. The address that is printed holds a token: nobody else gets in, and
    nothing leaves this machine. Ctrl-C ends it.
    """
    from metriccd.view import Server, find_results

    server = Server(find_results(out), port=port)
    typer.echo(server.address)
    if not no_open:
        server.open_browser()
    say("Ctrl-C ends the viewer; answers are kept as they are given.")
    server.run()
