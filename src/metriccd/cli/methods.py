"""The command that lists what can be chosen: methods, presets and threshold rules."""

from __future__ import annotations

from typing import Any

import typer
from rich.console import Console
from rich.table import Table

from metriccd.cli.arguments import Json, guarded
from metriccd.cli.console import print_json

# torch takes seconds to import: a command imports what it needs, so that --help is at once.


@guarded
def methods(as_json: Json = False) -> None:
    """Lists the methods, the presets and the threshold rules, and what each is."""
    from metriccd.methods import about_methods, about_presets, about_rules

    tables: dict[str, list[dict[str, Any]]] = {
        "methods": about_methods(),
        "presets": about_presets(),
        "rules": about_rules(),
    }
    if as_json:
        print_json(tables)
        return
    for title, rows in tables.items():
        table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))
        for name in rows[0]:
            table.add_column(name, no_wrap=name != "what it is")
        for row in rows:
            table.add_row(*(str(value) for value in row.values()))
        Console().print(table)
        typer.echo("")
    typer.echo("Use: metriccd detect T1 T2 -o OUT --method irmad --threshold otsu")
