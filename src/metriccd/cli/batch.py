"""The command that detects change in many pairs."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from metriccd.cli.arguments import Json, Quiet, guarded, usage
from metriccd.cli.console import print_batch, print_batch_plan
from metriccd.cli.detect import detect
from metriccd.cli.options import READERS, SAFEGUARDS, arguments_of, with_options_of
from metriccd.cli.progress import show_standing
from metriccd.errors import EXIT_INTERRUPTED, OutputError

# torch takes seconds to import: a command imports what it needs, so that --help is at once.

EXIT_SOME_FAILED = 4
WORKERS = "Workers"
# Options of commands that a manifest may not say for its rows.
APART = (
    *(*SAFEGUARDS, "out", "overwrite", "dry_run", "verbose", "log_file", "quiet"),
    *("workers", "scheduler", "retries", "timeout", "split_pixels"),
)
OTHERS = ("t1", "t2", "out", "overwrite", "dry_run", "verbose", "log_file", "quiet", "as_json")


@guarded
@with_options_of(detect, but=OTHERS)
def batch(
    manifest: Annotated[
        Path,
        typer.Argument(
            metavar="MANIFEST",
            help="Pairs, one a row: CSV, JSON Lines, GeoParquet, or a collection of STAC items. "
            "Columns t1 and t2, id, and any option below by its name; docs/batch.md.",
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder: new, or a batch to go on with.")
    ],
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=1024,
            help="Processes of this machine; by default one a core, or one a GPU.",
            rich_help_panel=WORKERS,
        ),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="The workers of a Dask scheduler instead: tcp://node:8786.",
            rich_help_panel=WORKERS,
        ),
    ] = None,
    retries: Annotated[
        int,
        typer.Option(
            min=0,
            max=100,
            help="How often a pair is tried again whose worker died or whose disk failed.",
            rich_help_panel=WORKERS,
        ),
    ] = 2,
    timeout: Annotated[
        float | None,
        typer.Option(
            min=1,
            metavar="SECONDS",
            help="Give a pair up that takes longer; by default 10 minutes and 20 times what is "
            "foretold of it.",
            rich_help_panel=WORKERS,
        ),
    ] = None,
    split_pixels: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Share larger scenes out among the workers; 16 million by default, 0 for never.",
            rich_help_panel=WORKERS,
        ),
    ] = None,
    allow_remote: Annotated[
        bool, typer.Option("--allow-remote", help="The manifest may name other machines.")
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Open every pair, say how long all would take, stop."),
    ] = False,
    quiet: Quiet = False,
    as_json: Json = False,
    **said: Any,
) -> None:
    """Finds what changed in many pairs; what is finished is not done again.

    The options of detect hold for all rows that do not say otherwise.
    """
    from metriccd.batch import Cluster, Grammar, Patience, plan_batch, read_manifest, run_batch
    from metriccd.supervised import load_checkpoint

    said["allow_remote"] = allow_remote
    with usage():
        asked = arguments_of(said, whole=False)
        if workers is not None and scheduler is not None:
            raise ValueError("--workers and --scheduler exclude each other: leave one out")
    if manifest.resolve().is_relative_to(out.resolve()):
        raise OutputError(
            f"OUT must not hold the manifest: {manifest} lies in {out}; copy it, or choose another"
        )
    if asked["checkpoint"] is not None and scheduler is None:
        # What all rows take that do not say otherwise: one line now, instead of one a pair.
        load_checkpoint(Path(asked["checkpoint"]), asked["method"])
    grammar = Grammar(readers=READERS, arguments=arguments_of, defaults=said, apart=APART)
    cluster = Cluster(workers=workers, scheduler=scheduler, device=asked["device"])
    with tempfile.TemporaryDirectory(prefix="metriccd-") as scratch:
        items = Path(scratch) if dry_run else out / "items"
        pairs = read_manifest(manifest, grammar, items=items, allow_remote=allow_remote)
        with show_standing(quiet) as show:
            if dry_run:
                plan = plan_batch(pairs, cluster=cluster, show=show)
                print_batch_plan(plan, quiet=quiet, as_json=as_json)
                raise typer.Exit(EXIT_SOME_FAILED if plan.refused else 0)
            try:
                split = {} if split_pixels is None else {"split": split_pixels}
                patience = Patience(retries=retries, timeout=timeout, **split)
                standing = run_batch(pairs, out, cluster=cluster, patience=patience, show=show)
            except KeyboardInterrupt:
                raise KeyboardInterrupt("the same command goes on") from None
    print_batch(out, standing, quiet=quiet, as_json=as_json)
    if standing.draining and standing.left:
        raise typer.Exit(EXIT_INTERRUPTED)
    if standing.failed or standing.left:
        raise typer.Exit(EXIT_SOME_FAILED)
