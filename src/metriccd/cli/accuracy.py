"""The commands that hold results against a reference."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from metriccd.cli.arguments import (
    AllowRemote,
    BandNamesOf,
    Bands,
    Checkpoints,
    Device,
    Extractor,
    First,
    Json,
    Mask,
    MaxPixels,
    MissingValue,
    OnDevice,
    Out,
    Overwrite,
    Palette,
    PaletteOf,
    Quiet,
    Reference,
    Rgb,
    Second,
    Seed,
    guarded,
    in_place,
    listed,
    missing_value,
    one_or_two,
    say_restored,
    usage,
)
from metriccd.cli.console import (
    print_comparison,
    print_evaluation,
    print_leaderboard,
    print_sample,
    print_survey,
)
from metriccd.cli.program import say
from metriccd.cli.progress import show_progress
from metriccd.errors import EXIT_INTERRUPTED
from metriccd.trust import MAX_PIXELS, Trust

# torch takes seconds to import: a command imports what it needs, so that --help is at once.


@guarded
def evaluate(
    out: Annotated[Path, typer.Argument(help="Folder that detect wrote.")],
    reference: Reference,
    palette: PaletteOf = Palette.COLORBLIND,
    allow_remote: AllowRemote = False,
    max_pixels: MaxPixels = MAX_PIXELS,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Compares a result with a reference; adds figures, maps and curves to OUT and its report."""
    from metriccd.accuracy import evaluate_folder, evaluate_points

    say_restored(out, quiet=quiet)
    if len(reference) == 1 and reference[0].lower().endswith(".csv"):
        figures = evaluate_points(out, Path(reference[0]))
        with in_place(out):
            print_sample(figures, {"out": str(out)}, quiet=quiet, as_json=as_json)
        return
    with Trust(allow_remote=allow_remote, max_pixels=max_pixels).applied():
        found = evaluate_folder(out, reference, palette=palette.value)
    with in_place(out):
        print_evaluation(found, {"out": str(out)}, quiet=quiet, as_json=as_json)
        if not (quiet or as_json):
            pictures = f"{out / 'errors.png'} and {out / 'curves.png'}"
            typer.echo(f"Open {out / 'report.html'}, {pictures}.")


@guarded
def compare(
    t1: First,
    t2: Second,
    reference: Reference,
    out: Out,
    methods: Annotated[
        str,
        typer.Option(
            help="Methods and presets: irmad,cva,default … all is every method but metric, which "
            "is fitted to the pair for minutes, and the supervised ones: these run only where they "
            "are named, as presets do: all,default,metric. all has fusion, the method of fast, and "
            "the closed form."
        ),
    ] = "all",
    thresholds: Annotated[
        str,
        typer.Option(
            help="Rules for the methods: own, by which each decides in detect, otsu, kmeans, rosin "
            "…; the maps of the first are drawn. Presets have their own."
        ),
    ] = "own",
    bands: Bands = None,
    rgb: Rgb = None,
    mask: Mask = None,
    nodata: MissingValue = None,
    band_names: BandNamesOf = None,
    palette: PaletteOf = Palette.COLORBLIND,
    extractor: Extractor = None,
    checkpoint: Checkpoints = None,
    device: OnDevice = Device.AUTO,
    seed: Seed = 0,
    allow_remote: AllowRemote = False,
    max_pixels: MaxPixels = MAX_PIXELS,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Compares methods with a reference: one table, best F1 first, curves and maps in OUT."""
    from metriccd.benchmark import choose_rows, with_checkpoints
    from metriccd.benchmark import compare as run_methods
    from metriccd.methods import choose_device
    from metriccd.output import output_folder
    from metriccd.pair import file_of_mask

    with usage():
        names, rules = listed(methods) or [], listed(thresholds) or []
        with_checkpoints(choose_rows(names, rules), checkpoint or ())
        choose_device(device.value)
        truth = one_or_two(reference)
        missing = missing_value(nodata)
    inputs = [t1, t2, *reference, *map(file_of_mask, mask or ()), *filter(None, [extractor])]
    inputs += map(str, checkpoint or ())
    say_restored(out, quiet=quiet)
    with (
        Trust(allow_remote=allow_remote, max_pixels=max_pixels).applied(),
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
            nodata=missing,
            band_names=listed(band_names),
            extractor=extractor,
            checkpoints=checkpoint or (),
            device=device.value,
            seed=seed,
            progress=progress,
        )
        comparison.write(folder, palette=palette.value)
    with in_place(out):
        print_comparison(out, comparison, quiet=quiet, as_json=as_json)


@guarded
def benchmark(
    dataset: Annotated[
        str,
        typer.Argument(
            help="oscd, sztaki, quickbird, plain (folders t1, t2, reference), or a TOML file of "
            "several sets."
        ),
    ],
    out: Annotated[
        Path,
        typer.Option("--out", "-o", help="Folder: new, or a benchmark to go on with."),
    ],
    root: Annotated[Path | None, typer.Option(help="Folder of the data set.")] = None,
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
    checkpoint: Checkpoints = None,
    device: OnDevice = Device.AUTO,
    seed: Seed = 0,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Runs methods, presets and ablations on a data set: tables and curves in OUT; resumable."""
    from metriccd.benchmark import benchmark as run_all
    from metriccd.benchmark import (
        benchmark_sets,
        choose_entries,
        find_pairs,
        kept,
        read_sets,
        with_checkpoints,
    )
    from metriccd.methods import choose_device

    asked = methods if methods is not None or grid is not None else "all"
    with usage():
        entries = choose_entries(listed(asked) or (), listed(thresholds) or (), grid)
        entries = with_checkpoints(entries, checkpoint or ())
        choose_device(device.value)
        several = dataset.endswith(".toml")
        if several == (root is not None):
            raise ValueError(
                "--root goes with a data set, and a TOML file of sets has roots of its own: got "
                f"{dataset} {'with' if several else 'without'} --root"
            )
        sets = read_sets(Path(dataset)) if several else []
        pairs = [] if root is None else find_pairs(dataset, root, split=split, bands=listed(bands))
    try:
        with show_progress(quiet) as progress:
            if several:
                survey = benchmark_sets(
                    sets,
                    entries,
                    out,
                    extractor=extractor,
                    device=device.value,
                    seed=seed,
                    progress=progress,
                )
                print_survey(out, survey, quiet=quiet, as_json=as_json)
                return
            leaderboard = run_all(
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
        say(found)
        raise typer.Exit(EXIT_INTERRUPTED) from None
    print_leaderboard(out, leaderboard, quiet=quiet, as_json=as_json)
