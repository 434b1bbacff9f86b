"""The commands, and what is said of wrong usage."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

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
from metriccd.cli.view import view
from metriccd.cli.weights import fetch_weights, import_weights, list_weights, train


def show_version(asked: bool) -> bool:
    """Prints the version and ends, where it is asked for."""
    if asked:
        typer.echo(f"metriccd {version('metriccd')}")
        raise typer.Exit
    return asked


def _shown(options: list[Any]) -> list[Any]:
    """Options as the help shows them: behind one that takes no value stands none."""
    for each in options:
        if getattr(each, "is_flag", False) and each.metavar is None:
            each.metavar = ""
    return options


class Command(TyperCommand):
    """A command."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Its arguments and options."""
        return _shown(super().get_params(ctx))


class Group(TyperGroup):
    """Commands under one name."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Options that stand before a command."""
        return _shown(super().get_params(ctx))


app = typer.Typer(
    cls=Group,
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


weights_app = typer.Typer(
    cls=Group, help="Network weights: list, fetch, import.", no_args_is_help=True
)
app.add_typer(weights_app, name="weights")

command, of_weights = (partial(each.command, cls=Command) for each in (app, weights_app))
command(epilog="Example: metriccd detect before.tif after.tif --bands 4,3,2 -o out")(detect)
command(epilog="Example: metriccd batch pairs.csv -o out --workers 8 --preset fast")(batch)
command(epilog="Example: metriccd series 2019-06-01.tif 2020-06-03.tif 2021-05-30.tif -o out")(
    series
)
command(epilog="Example: metriccd threshold out 0.4")(threshold)
command(epilog="Example: metriccd view out")(view)
command(epilog="Example: metriccd check before.tif after.tif")(check)
command(epilog="Example: metriccd evaluate out --reference truth.tif")(evaluate)
command(epilog="Example: metriccd compare before.tif after.tif --reference truth.tif -o out")(
    compare
)
command(
    epilog="Example: metriccd benchmark oscd --root oscd --split test --methods all,default -o out"
)(benchmark)
command(epilog="Example: metriccd demo -o demo")(demo)
command(epilog="Example: metriccd methods")(methods)
command(epilog="Example: metriccd train unet --dataset oscd --root oscd -o unet.safetensors")(train)
of_weights("list", epilog="Example: metriccd weights list")(list_weights)
of_weights("fetch", epilog="Example: metriccd weights fetch vgg16")(fetch_weights)
of_weights("import", epilog="Example: metriccd weights import vgg16 vgg16.safetensors")(
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
