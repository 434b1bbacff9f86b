"""Fills docs/reproduction.md: every table of the paper, its figures as printed beside ours.

    python benchmarks/reproduce.py DIR -o OUT

DIR holds the data sets, each in its own layout: oscd, sztaki, quickbird; what is not there is left
out. Of OSCD the ten test cities are taken, as the paper does, or all there are where DIR has none.
Says before it starts how long it will take, from a few steps of each network here. What was
interrupted goes on where it was. OUT gets the journal, curves of each table (`*/curves.png`), the
page with the tables filled (`reproduction.md`, or where --page says; where there is none yet, from
docs/), and `convergence` and `roc` of one pair, as PNG and PDF.

`--side 96 --pairs 3` takes crops of so many pixels, where the reference has most change, of so many
pairs: a trial, in minutes.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from textwrap import fill
from typing import Any

import matplotlib as mpl
import numpy as np
from crops import cropped
from ending import ended

from metriccd import detect
from metriccd.benchmark import benchmark, choose_entries, find_pairs, kept
from metriccd.benchmark.datasets import Pair
from metriccd.benchmark.leaderboard import Leaderboard
from metriccd.benchmark.places import opened
from metriccd.benchmark.published import MEASURES, published
from metriccd.benchmark.trial import Entry
from metriccd.cli.console import duration
from metriccd.cli.progress import show_progress
from metriccd.errors import WeightsError
from metriccd.figures import plot_convergence, plot_roc
from metriccd.methods import PRESETS, choose_device
from metriccd.nets import load_extractor
from metriccd.paper import fit_pair

CLASSICAL = (
    *("cva", "dpca", "image_diff", "image_ratio", "image_regr"),
    *("irmad", "mad", "pcda", "deep_cva"),
)
PAPER = (*CLASSICAL, "paper", "released")
# With the weights that come with the package, whatever --extractor says.
OURS = ("closed_form", "default")
# Of what is not fitted step by step, for each megapixel and run: measured on two cores, rounded.
PLAIN_SECONDS = 30.0
TRIAL_SIDE, TRIAL_STEPS = 192, 3
PAGE, PICTURES = Path(__file__).parents[1] / "docs/reproduction.md", ("convergence", "roc")
# Rows of Table I that need labels, and so other commands.
SUPERVISED = ("unet", "seco_rand", "seco_pre")


@dataclass(frozen=True, kw_only=True)
class Part:
    """A table of the paper.

    Attributes:
        name: Its marker on the page, and its folder in OUT.
        dataset: Where it is measured.
        methods: Rows that have a name of their own, through the extractor that is asked for.
        ours: Likewise, through our own.
        grid: Rows of an ablation.
    """

    name: str
    dataset: str
    methods: Sequence[str] = ()
    ours: Sequence[str] = ()
    grid: str | None = None


PARTS = (
    *(
        Part(name=f"table1-{name}", dataset=name, methods=PAPER, ours=OURS)
        for name in ("oscd", "sztaki", "quickbird")
    ),
    *(Part(name=grid, dataset="oscd", grid=grid) for grid in ("table2", "table3", "table4")),
)


def main() -> None:
    """Measures what the journal lacks, and fills the page."""
    asked = arguments()
    mpl.use("Agg")
    pairs = {name: list(found(asked, name)) for name in {part.dataset for part in PARTS}}
    parts = [
        part
        for part in PARTS
        if pairs[part.dataset] and (asked.parts is None or part.name in asked.parts.split(","))
        if list(chosen(asked, part))
    ]
    if not parts:
        sys.exit(
            "DIR must hold oscd, sztaki or quickbird, and --parts and --methods rows of the paper: "
            f"nothing is left to measure in {asked.root}; give another"
        )
    pictured = pairs["oscd"] or next(filter(None, pairs.values()))
    pictured = [pair for pair in pictured if pair.name == "beirut"] or pictured[:1]
    asked.page = asked.page or asked.out / PAGE.name
    page = (asked.page if asked.page.exists() else PAGE).read_text(encoding="utf-8")
    for part in parts:
        # A page without its markers is refused before hours of work.
        filled(page, part.name, "")
    tell_estimate(asked, parts, pairs, pictured)
    for part in parts:
        with show_progress(False) as progress:
            boards = [
                benchmark(
                    pairs[part.dataset],
                    entries,
                    asked.out / folder,
                    dataset=part.dataset,
                    grid=part.grid,
                    extractor=extractor,
                    device=asked.device,
                    progress=progress,
                )
                for folder, entries, extractor in chosen(asked, part)
            ]
        page = filled(page, part.name, table(part, boards, asked))
        asked.page.write_text(page, encoding="utf-8")
    if missing(asked):
        draw(asked, *pictured)
    print(f"Open {asked.page}; curves, records and tables lie in {asked.out}.")


def arguments() -> argparse.Namespace:
    """What is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", type=Path, metavar="DIR")
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--page", type=Path, help="OUT/reproduction.md by default")
    parser.add_argument("--extractor", default="vgg16", help="as detect takes it")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--side", type=sixteen_or_more, help="crops of so many pixels")
    parser.add_argument("--pairs", type=one_or_more, help="so many of each set, evenly spread")
    tables = [part.name for part in PARTS]
    parser.add_argument("--parts", help="some tables only: " + ",".join(tables))
    parser.add_argument("--methods", help="rows of Table I; all by default")
    parser.add_argument("--no-pictures", dest="pictures", action="store_false")
    parser.add_argument("--estimate", action="store_true", help="only say how long it will take")
    asked = parser.parse_args()
    for option, names in (("parts", tables), ("methods", [*PAPER, *OURS])):
        told = getattr(asked, option)
        unknown = sorted(set((told or names[0]).split(",")) - set(names))
        if unknown:
            parser.error(f"--{option}: got {unknown[0]}; choose from {', '.join(names)}")
    try:
        choose_device(asked.device)
    except ValueError as error:
        parser.error(str(error))
    return asked


def one_or_more(text: str) -> int:
    """A count."""
    if int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more: got {text}")
    return int(text)


def sixteen_or_more(text: str) -> int:
    """A side that the program takes, in pixels."""
    if int(text) < 16:
        raise argparse.ArgumentTypeError(f"must be 16 or more: got {text}")
    return int(text)


def chosen(
    asked: argparse.Namespace, part: Part
) -> Iterator[tuple[str, Sequence[Entry], str | None]]:
    """Folder, rows that are asked for, and extractor: of a table's methods, and of ours."""
    for folder, methods, extractor in (
        (part.name, part.methods, asked.extractor),
        (f"{part.name}-ours", part.ours, None),
    ):
        wanted = methods if asked.methods is None else asked.methods.split(",")
        names = [name for name in methods if name in wanted]
        if names or (part.grid and extractor):
            yield folder, choose_entries(names, (), part.grid), extractor


def found(asked: argparse.Namespace, dataset: str) -> Iterator[Pair]:
    """The pairs of a data set in DIR, cropped where that is asked for; none if it is not there."""
    folder = asked.root / dataset
    if not folder.is_dir():
        return
    pairs = find_pairs(dataset, folder)
    if any(pair.split == "test" for pair in pairs):
        pairs = [pair for pair in pairs if pair.split == "test"]
    count = min(asked.pairs or len(pairs), len(pairs))
    for number in range(count):
        pair = pairs[number * len(pairs) // count]
        yield (
            pair if asked.side is None else cropped(pair, asked.side, asked.out / "crops" / dataset)
        )


def missing(asked: argparse.Namespace) -> bool:
    """Whether pictures are wanted and not there yet."""
    return asked.pictures and not all((asked.out / f"{name}.png").exists() for name in PICTURES)


def tell_estimate(
    asked: argparse.Namespace,
    parts: Sequence[Part],
    pairs: dict[str, list[Pair]],
    pictured: Sequence[Pair],
) -> None:
    """Says how long all takes here, and how much of it is done; ends there if that was asked."""
    print("measuring a few steps of each network, for an estimate: minutes on a CPU", flush=True)
    rates: dict[Any, float] = {}
    total, runs = 0.0, 0
    for part in parts:
        megapixels = sum(size_of(pair) for pair in pairs[part.dataset])
        for entry in [each for _, entries, _ in chosen(asked, part) for each in entries]:
            fit = entry.preset.fit if entry.preset.method == "metric" else None
            if fit is not None and fit not in rates:
                rates[fit] = step_rate(fit, asked)
            total += megapixels * (PLAIN_SECONDS if fit is None else rates[fit] * fit.steps)
            runs += len(pairs[part.dataset])
    done = sum(kept(asked.out / folder) for part in parts for folder, *_ in chosen(asked, part))
    left, also = total * max(runs - done, 0) / runs, ""
    if missing(asked):
        fits = [PRESETS[name].fit for name in ("paper", "released")]
        rates |= {fit: step_rate(fit, asked) for fit in fits if fit not in rates}
        steps = sum(rates[fit] * fit.steps for fit in fits)
        left += sum(size_of(pair) * steps for pair in pictured)
        also = " and two fits for the pictures"
    print(
        f"{runs} runs{also}, {done} runs of them kept: about {duration(left)} on "
        f"{choose_device(asked.device)}",
        flush=True,
    )
    if asked.estimate:
        sys.exit(0)


def size_of(pair: Pair) -> float:
    """Megapixels."""
    grid = opened(pair).grid
    return grid.height * grid.width / 1e6


def step_rate(fit: Any, asked: argparse.Namespace) -> float:
    """Seconds a step and megapixel, by a few steps on noise."""
    random = np.random.default_rng(0)
    t1, t2 = random.random((2, 3, TRIAL_SIDE, TRIAL_SIDE), dtype=np.float32)
    try:
        extractor = load_extractor(asked.extractor, levels=fit.levels)
    except WeightsError as error:
        sys.exit(f"{error}; leave the table out with --parts, or give --extractor embedded")
    start = time.perf_counter()
    fit_pair(
        t1,
        t2,
        np.ones(t1.shape[1:], bool),
        rgb=(0, 1, 2),
        extractor=extractor,
        settings=replace(fit, steps=TRIAL_STEPS),
        device=choose_device(asked.device),
    )
    return (time.perf_counter() - start) / TRIAL_STEPS / (TRIAL_SIDE**2 / 1e6)


def table(part: Part, boards: Sequence[Leaderboard], asked: argparse.Namespace) -> str:
    """Rows of a table: what is printed, what we find."""
    printed = published(part.dataset, part.grid)
    ours = {row["method"]: row for board in boards for row in board.mean()}
    titles = " / ".join(name.upper() if name != "recall" else "recall" for name in MEASURES)
    names = list(boards[0].runs)
    what = f"{len(names)} pair{'s' * (len(names) > 1)}" + (
        f", crops of {asked.side}² pixels where most changed" if asked.side else ""
    )
    lines = [
        fill(f"Measured: {what}: {', '.join(names)}. Means over pairs.", 98),
        "",
        f"| row | printed: {titles} | ours: {titles} | AP | s |",
        "|---|---|---|---|---|",
    ]
    for name in dict.fromkeys([*rows_of(part), *ours]):
        row, without = ours.get(name), "needs labels" if name in SUPERVISED else "not measured"
        cells = [figures(row), decimal(row["ap"]), f"{row['seconds']:.0f}"] if row else [without]
        cells += [""] * (3 - len(cells))
        lines.append(" | ".join([f"| `{name}`", figures(printed.get(name, {})), *cells]) + " |")
    return "\n".join(lines)


def rows_of(part: Part) -> list[str]:
    """Names of a table's rows, in the paper's order."""
    if part.grid is None:
        return [*published(part.dataset)]
    return [entry.name for entry in choose_entries((), (), part.grid)]


def figures(row: dict[str, Any]) -> str:
    """Those that the paper prints, in its order."""
    return " / ".join(decimal(row.get(name)) for name in MEASURES) if row else "–"


def decimal(value: float | None) -> str:
    """Three digits, no zero before them."""
    return "–" if value is None else f"{value:.3f}".removeprefix("0")


def filled(page: str, name: str, content: str) -> str:
    """The page with a table between its markers."""
    pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
    if not pattern.search(page):
        sys.exit(f"the page must have the markers of {name}: <!-- {name} --> and <!-- end -->")
    return pattern.sub(lambda match: f"{match[1]}{content}\n{match[2]}", page)


def draw(asked: argparse.Namespace, pair: Pair) -> None:
    """Figures 10 and 4 of one pair."""
    if asked.side is None:  # the largest square, with a reference of 0 and 255
        pair = cropped(pair, 10**6, asked.out / "whole")
    changes = {
        name: detect(pair.t1, pair.t2, bands=pair.bands, device=asked.device, **settings)
        for name, settings in {
            "paper": {"preset": "paper", "extractor": asked.extractor},
            "released": {"preset": "released", "extractor": asked.extractor},
            "closed_form": {"method": "closed_form"},
            "default": {"preset": "default"},
            "irmad": {"method": "irmad"},
        }.items()
    }
    drawn = plot_convergence(changes["paper"]), plot_roc(changes, pair.reference)
    for name, axes in zip(PICTURES, drawn, strict=True):
        for suffix in ("pdf", "png"):
            axes[0].figure.savefig(asked.out / f"{name}.{suffix}", dpi=200)


if __name__ == "__main__":
    ended(main)
