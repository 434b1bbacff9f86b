"""The commands, and what is said of wrong usage."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated

import typer

from metriccd.cli.accuracy import benchmark, compare, evaluate
from metriccd.cli.arguments import UsageError, wrong_usage
from metriccd.cli.batch import batch
from metriccd.cli.check import check
from metriccd.cli.demo import demo
from metriccd.cli.detect import detect
from metriccd.cli.methods import methods
from metriccd.cli.program import end
from metriccd.cli.series import series
from metriccd.cli.threshold import threshold
from metriccd.cli.weights import fetch_weights, import_weights, list_weights


def show_version(asked: bool) -> bool:
    """Prints the version and ends, where it is asked for."""
    if asked:
        typer.echo(f"metriccd {version('metriccd')}")
        raise typer.Exit
    return asked


app = typer.Typer(
    help="Finds what changed between two images of one place, without labels.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)


@app.callback()
def about(
    _version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=show_version, help="Show the version."),
    ] = False,
) -> None:
    """Finds what changed between two images of one place, without labels."""


weights_app = typer.Typer(help="Network weights: list, fetch, import.", no_args_is_help=True)
app.add_typer(weights_app, name="weights")

app.command(epilog="Example: metriccd detect before.tif after.tif --bands 4,3,2 -o out")(detect)
app.command(epilog="Example: metriccd batch pairs.csv -o out --workers 8 --preset fast")(batch)
app.command(epilog="Example: metriccd series 2019-06-01.tif 2020-06-03.tif 2021-05-30.tif -o out")(
    series
)
app.command(epilog="Example: metriccd threshold out 0.4")(threshold)
app.command(epilog="Example: metriccd check before.tif after.tif")(check)
app.command(epilog="Example: metriccd evaluate out --reference truth.tif")(evaluate)
app.command(epilog="Example: metriccd compare before.tif after.tif --reference truth.tif -o out")(
    compare
)
app.command(
    epilog="Example: metriccd benchmark oscd --root oscd --split test --methods all,default -o out"
)(benchmark)
app.command(epilog="Example: metriccd demo -o demo")(demo)
app.command(epilog="Example: metriccd methods")(methods)
weights_app.command("list", epilog="Example: metriccd weights list")(list_weights)
weights_app.command("fetch", epilog="Example: metriccd weights fetch vgg16")(fetch_weights)
weights_app.command("import", epilog="Example: metriccd weights import vgg16 vgg16.safetensors")(
    import_weights
)


def run(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; returns the exit code.

    Args:
        arguments: What was typed; None: what the process was given.
    """
    try:
        return app(args=arguments, standalone_mode=False) or 0
    except UsageError as error:
        return end(wrong_usage(error))
