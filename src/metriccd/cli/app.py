"""The command line: arguments to the calls of the Python API, nothing else."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from metriccd.cli.arguments import (
    EXIT_INTERRUPTED,
    Bands,
    Device,
    Extractor,
    First,
    Json,
    Mask,
    OnDevice,
    Out,
    Overwrite,
    Palette,
    Quiet,
    Reference,
    Rgb,
    Second,
    Seed,
    Threshold,
    guarded,
    level_of,
    listed,
    one_or_two,
    usage,
)
from metriccd.cli.console import (
    print_comparison,
    print_json,
    print_scores,
    print_standings,
    show_progress,
    summarize,
)

# Rounds, some tens of microseconds, that a thread of torch waits for another one before it sleeps.
# By default it is fifteen times that: beside another busy program a detection took ten times as
# long, because threads spun on the cores that those they waited for needed.
SPINS = "20000"

app = typer.Typer(
    help="Finds what changed between two images of one place, without labels.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
weights_app = typer.Typer(help="Network weights: list, fetch, import.", no_args_is_help=True)
app.add_typer(weights_app, name="weights")


@app.command(
    epilog="Example: metriccd detect before.tif after.tif --bands 4,3,2 -o out",
)
@guarded
def detect(
    t1: First,
    t2: Second,
    out: Out,
    preset: Annotated[str, typer.Option(help="default, fast, paper or released.")] = "default",
    method: Annotated[
        str | None, typer.Option(help="Another method: irmad, cva, pcda … instead.")
    ] = None,
    bands: Bands = None,
    rgb: Rgb = None,
    mask: Mask = None,
    nodata: Annotated[float | None, typer.Option(help="Value of missing pixels.")] = None,
    threshold: Threshold = "auto",
    min_area: Annotated[
        float, typer.Option(min=0, help="Drop objects smaller than this, in m².")
    ] = 0.0,
    extractor: Extractor = None,
    device: OnDevice = Device.AUTO,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Finds what changed between T1 and T2 and writes rasters, polygons and a report to OUT."""
    from metriccd.detection import detect_into
    from metriccd.methods import choose_device, choose_preset
    from metriccd.result import unfinished_path

    level = level_of(threshold)
    with usage():
        choose_preset(preset, method, level)
        choose_device(device.value)
    try:
        with show_progress(quiet) as progress:
            summary = detect_into(
                out,
                t1,
                t2,
                preset=preset,
                method=method,
                bands=listed(bands),
                rgb=listed(rgb),
                masks=mask or (),
                nodata=nodata,
                threshold=level,
                min_area=min_area,
                extractor=extractor,
                device=device.value,
                seed=seed,
                overwrite=overwrite,
                progress=progress,
            )
    except KeyboardInterrupt:
        if not unfinished_path(out).exists():
            raise
        typer.echo(
            f"interrupted: what is finished is kept in {unfinished_path(out)}; "
            "the same command goes on",
            err=True,
        )
        raise typer.Exit(EXIT_INTERRUPTED) from None
    summarize(out, summary, quiet=quiet, as_json=as_json)


@app.command(epilog="Example: metriccd evaluate out --reference truth.tif")
@guarded
def evaluate(
    out: Annotated[Path, typer.Argument(help="Folder that detect wrote.")],
    reference: Reference,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Compares a result with a reference and adds the figures to OUT."""
    from metriccd.benchmark import evaluate_folder

    scores = evaluate_folder(out, reference)
    print_scores(scores, {"out": str(out)}, quiet=quiet, as_json=as_json)
    if not (quiet or as_json):
        typer.echo(f"Open {out / 'errors.png'} and {out / 'curves.png'}.")


@app.command(
    epilog="Example: metriccd compare before.tif after.tif --reference truth.tif -o out",
)
@guarded
def compare(
    t1: First,
    t2: Second,
    reference: Reference,
    out: Out,
    methods: Annotated[
        str,
        typer.Option(
            help="irmad,cva,… or all: every classical method and the closed form. metric, which "
            "is fitted to the pair for minutes, runs only where it is named: all,metric."
        ),
    ] = "all",
    thresholds: Annotated[
        str, typer.Option(help="Rules: otsu, kmeans, rosin …; the maps of the first are drawn.")
    ] = "otsu,kmeans",
    bands: Bands = None,
    rgb: Rgb = None,
    mask: Mask = None,
    palette: Annotated[Palette, typer.Option(help="Colors of the error maps.")] = Palette.PAPER,
    extractor: Extractor = None,
    device: OnDevice = Device.AUTO,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Compares methods with a reference: one table, curves and error maps in OUT."""
    from metriccd.benchmark import choose_methods
    from metriccd.benchmark import compare as run_methods
    from metriccd.methods import choose_device
    from metriccd.result import output_folder

    with usage():
        names, rules = choose_methods(listed(methods) or (), listed(thresholds) or ())
        choose_device(device.value)
        truth = one_or_two(reference)
    inputs = (t1, t2, *reference, *(mask or ()))
    with (
        output_folder(out, overwrite=overwrite, inputs=inputs) as folder,
        show_progress(quiet) as progress,
    ):
        comparison = run_methods(
            t1,
            t2,
            truth,
            methods=names,
            thresholds=rules,
            bands=listed(bands),
            rgb=listed(rgb),
            masks=mask or (),
            extractor=extractor or "embedded",
            device=device.value,
            seed=seed,
            progress=progress,
        )
        comparison.write(folder, palette=palette.value)
    print_comparison(out, comparison, quiet=quiet, as_json=as_json)


@app.command(
    epilog="Example: metriccd benchmark oscd --root oscd --split test --methods all,default -o out",
)
@guarded
def benchmark(
    dataset: Annotated[
        str, typer.Argument(help="oscd, sztaki, quickbird, or plain: folders t1, t2, reference.")
    ],
    root: Annotated[Path, typer.Option(help="Folder of the data set.")],
    out: Annotated[
        Path,
        typer.Option("--out", "-o", help="Folder: new, or a benchmark to go on with."),
    ],
    split: Annotated[
        str, typer.Option(help="all; train or test of oscd; a place of sztaki.")
    ] = "all",
    methods: Annotated[
        str | None,
        typer.Option(
            help="Methods and presets: irmad,default … all is every classical method and the "
            "closed form, and what runs where neither methods nor a grid are named."
        ),
    ] = None,
    thresholds: Annotated[
        str | None,
        typer.Option(
            help="Rules for the methods, a row each: otsu,kmeans … Each has its own by default, as "
            "presets and rows of a grid always have."
        ),
    ] = None,
    grid: Annotated[
        str | None,
        typer.Option(
            help="Ablation: table2 (generators), table3 (loss terms), table4 (feature levels) of "
            "the paper, or a TOML file."
        ),
    ] = None,
    bands: Bands = None,
    extractor: Extractor = None,
    device: OnDevice = Device.AUTO,
    seed: Seed = 0,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Runs methods, presets and ablations on a data set: tables and curves in OUT; resumable."""
    from metriccd.benchmark import benchmark as run_all
    from metriccd.benchmark import choose_entries, find_pairs, kept
    from metriccd.methods import choose_device

    asked = methods if methods is not None or grid is not None else "all"
    with usage():
        entries = choose_entries(listed(asked) or (), listed(thresholds) or (), grid)
        choose_device(device.value)
        pairs = find_pairs(dataset, root, split=split, bands=listed(bands))
    try:
        with show_progress(quiet) as progress:
            standings = run_all(
                pairs,
                entries,
                out,
                dataset=dataset,
                split=split,
                grid=grid,
                extractor=extractor,
                device=device.value,
                seed=seed,
                progress=progress,
            )
    except KeyboardInterrupt:
        found = f"interrupted: {kept(out)} runs are kept in {out}; the same command goes on"
        typer.echo(found, err=True)
        raise typer.Exit(EXIT_INTERRUPTED) from None
    print_standings(out, standings, quiet=quiet, as_json=as_json)


@app.command(epilog="Example: metriccd demo -o demo")
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

    with show_progress(quiet) as progress:
        scores = make_demo(out, size=size, seed=seed, overwrite=overwrite, progress=progress)
    report = out / "report.html"
    places = {"out": str(out), "report": str(report)}
    print_scores(scores, places, quiet=quiet, as_json=as_json)
    if not (quiet or as_json):
        typer.echo(f"Open {report} in a browser, or {report.with_name('preview.png')}.")


@weights_app.command("list", epilog="Example: metriccd weights list")
@guarded
def list_weights(as_json: Json = False) -> None:
    """Lists the weights that can be used, and which are at hand."""
    from metriccd.nets import WEIGHTS, installed

    if as_json:
        rows = [
            {"name": name, "installed": installed(name) is not None, **asdict(entry)}
            for name, entry in WEIGHTS.items()
        ]
        print_json({"weights": rows})
        return
    table = Table("name", "installed", "levels", "licence", "source")
    table.add_row("embedded", "yes", "1, 2, 3", "Apache-2.0", "in the package")
    for name, entry in WEIGHTS.items():
        there = "no" if installed(name) is None else "yes"
        levels = ", ".join(str(level) for level in entry.levels)
        table.add_row(name, there, levels, entry.licence, entry.url)
    Console().print(table)


@weights_app.command("fetch", epilog="Example: metriccd weights fetch vgg16")
@guarded
def fetch_weights(
    name: Annotated[str, typer.Argument(help="Name in the list.")], quiet: Quiet = False
) -> None:
    """Downloads weights and verifies their checksum."""
    from metriccd.nets import fetch

    with usage(), show_progress(quiet) as progress:
        path = fetch(name, progress=lambda done, total: progress and progress(name, done, total))
    typer.echo(f"{name}: {path}")


@weights_app.command("import", epilog="Example: metriccd weights import vgg16 vgg16.safetensors")
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        # Whoever started us with a signal ignored, as nohup does, wants it ignored.
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)
    try:
        app(args=arguments)
    except SystemExit as finished:
        return int(finished.code or 0)
    finally:
        # At exit Python searches for garbage what a dozen libraries have made: half a second.
        gc.freeze()
    return 0


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
