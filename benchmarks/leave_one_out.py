"""Every constant that was chosen from data, chosen anew leaving one set out.

    python benchmarks/leave_one_out.py benchmarks/sets.toml -o OUT [--seed 0] [--most 35]

Each constant of the score (`settings.SHIPPED`) is tried at .6 and 1.6 times what ships. For each
set, the other sets choose: the constant of the score that is moved, by AUC + AP, or `--moves` of
them, one after the other; then the offsets of the three operating points, by F1, F.5 and F2 over
the best that any threshold reaches. What they choose is measured on the set left out. A
set counts once, whatever its pairs and directions.

Tables of witnesses (OUT/tables, 15 MB a pair) are made first: 40 s a megapixel, a quarter of an
hour for `benchmarks/sets.toml`. A move then takes four minutes for each setting that it starts
from, on one core. Both are kept: an interrupted run goes on. OUT is for one state of the code.
OUT/leave_one_out.csv and .md hold what comes out. What is left out is a set, not an idea: the form
of the recipe was found with all of them in view.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from settings import OFFSETS, POINTS, SHIPPED, Figures, figures_of, score_of
from witness_tables import LOOKS, Table, witness_table

from metriccd.benchmark.datasets import Pair
from metriccd.benchmark.places import opened, reference_of
from metriccd.benchmark.sets import PairSet, read_sets
from metriccd.pair import three

FACTORS = (0.6, 1.6)
Setting = dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Row:
    """A set in a direction: its pairs' tables."""

    set: str
    direction: str
    tables: tuple[Path, ...]


@dataclass(frozen=True, kw_only=True)
class Means:
    """Means over the pairs of a row whose reference holds change.

    Attributes:
        auc: Area under the ROC curve.
        ap: Average precision.
        best: The largest F_β, by β.
        reached: F_β at each of `OFFSETS`, by β.
        alarms: Share said to be change where the reference holds none, at each of `OFFSETS`.
    """

    auc: float
    ap: float
    best: Mapping[float, float]
    reached: Mapping[float, np.ndarray]
    alarms: np.ndarray

    @classmethod
    def of(cls, figures: Sequence[Figures]) -> Means:
        """From the figures of each pair."""
        changed = [each for each in figures if not math.isnan(each.auc)]
        unchanged = [each.said for each in figures if math.isnan(each.auc)]
        betas = [beta for beta, _ in POINTS.values()]
        return cls(
            auc=float(np.mean([each.auc for each in changed])),
            ap=float(np.mean([each.ap for each in changed])),
            best={beta: float(np.mean([each.best[beta] for each in changed])) for beta in betas},
            reached={
                beta: np.mean([each.reached[beta] for each in changed], axis=0) for beta in betas
            },
            alarms=np.mean(unchanged, axis=0) if unchanged else np.full(len(OFFSETS), np.nan),
        )


class Bench:
    """Settings on rows of tables; figures are kept in files."""

    def __init__(self, rows: Sequence[Row], out: Path, progress: Progress) -> None:
        self.rows, self.out, self.progress = rows, out, progress

    def measure(self, settings: Sequence[Setting], what: str) -> list[dict[Row, Means]]:
        """Means of each setting on every row."""
        count = sum(len(row.tables) for row in self.rows)
        task = self.progress.add_task(what, total=count)
        means: list[dict[Row, Means]] = [{} for _ in settings]
        for row in self.rows:
            every = []
            for path in row.tables:
                every.append(self._pair(path, row.direction, settings))
                self.progress.advance(task)
            for number, figures in enumerate(zip(*every, strict=True)):
                means[number][row] = Means.of(figures)
        return means

    def _pair(self, path: Path, direction: str, settings: Sequence[Setting]) -> list[Figures]:
        kept = self.out / "figures" / path.parent.name / f"{path.stem}-{direction}.json"
        known = json.loads(kept.read_text()) if kept.is_file() else {}
        keys = [json.dumps(setting, sort_keys=True) for setting in settings]
        missing = {
            key: setting for key, setting in zip(keys, settings, strict=True) if key not in known
        }
        if missing:
            table = Table.read(path)
            for key, setting in missing.items():
                found = figures_of(table, score_of(table, setting, direction))
                known[key] = found.as_dict()
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_text(json.dumps(known))
        return [Figures.from_dict(known[key]) for key in keys]


def thinned(pairs: Sequence[Pair], most: int) -> list[Pair]:
    """At most so many pairs, evenly spread."""
    return list(pairs[:: -(-len(pairs) // most)])


def tables_of(sets: Sequence[PairSet], args: argparse.Namespace, progress: Progress) -> list[Row]:
    """Makes the tables that are missing."""
    chosen = {each.name: thinned(each.pairs, args.most) for each in sets}
    task = progress.add_task("witnesses", total=sum(map(len, chosen.values())))
    rows = []
    for each in sets:
        paths = []
        for pair in chosen[each.name]:
            path = args.out / "tables" / each.name / f"{pair.name.replace(' ', '_')}.npz"
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.is_file():
                table_of(pair, args.seed).save(path)
            paths.append(path)
            progress.advance(task)
        rows += [
            Row(set=each.name, direction=direction, tables=tuple(paths))
            for direction in each.directions
            if direction in LOOKS
        ]
    return rows


def table_of(pair: Pair, seed: int) -> Table:
    """The table of a pair."""
    images = opened(pair)
    block = images.load()
    changed, known = reference_of(pair, images)
    rgb = three(images.rgb, len(block.t1))
    return witness_table(block, changed, known, rgb=rgb, ground=images.grid.ground, seed=seed)


def by_set(means: Mapping[Row, Means], left_out: str | None) -> list[list[Means]]:
    """Means of each set but one."""
    names = dict.fromkeys(row.set for row in means)
    return [
        [each for row, each in means.items() if row.set == name]
        for name in names
        if name != left_out
    ]


def ranked(means: Mapping[Row, Means], left_out: str | None) -> float:
    """AUC + AP, mean over directions, then over sets but one."""
    sets = by_set(means, left_out)
    return float(np.mean([np.mean([each.auc + each.ap for each in rows]) for rows in sets]))


def offset_of(means: Mapping[Row, Means], beta: float, left_out: str | None) -> float:
    """The offset with the largest F_β / best F_β, mean over directions, then over sets but one."""
    ratios = [
        np.mean([each.reached[beta] / each.best[beta] for each in rows], axis=0)
        for rows in by_set(means, left_out)
    ]
    return OFFSETS[int(np.mean(ratios, axis=0).argmax())]


def neighbors(setting: Setting) -> list[Setting]:
    """The setting itself, and every constant of it times `FACTORS`."""
    moved = [setting | {name: setting[name] * factor} for name in setting for factor in FACTORS]
    return [setting, *moved]


def choices(bench: Bench, moves: int) -> dict[str, tuple[Setting, dict[Row, Means]]]:
    """For each set, what the others choose, and the means of that.

    From what ships, the one move to a neighbor that does the other sets most good; then the next,
    as long as one does.
    """
    names = list(dict.fromkeys(row.set for row in bench.rows))
    chosen: dict[str, Setting] = {name: dict(SHIPPED) for name in names}
    found: dict[str, tuple[Setting, dict[Row, Means]]] = {}
    for move in range(1, moves + 1):
        starts: list[Setting] = []
        for setting in chosen.values():
            if setting not in starts:
                starts.append(setting)
        for start in starts:
            tried = neighbors(start)
            means = bench.measure(tried, f"move {move}")
            for name in (name for name in names if chosen[name] == start):
                gains = [ranked(mean, name) for mean in means]
                best = int(np.argmax(gains))
                found[name] = tried[best], means[best]
        chosen = {name: setting for name, (setting, _) in found.items()}
    return found


def report(bench: Bench, moves: int) -> list[dict[str, str]]:
    """A line a row, as shipped and left out."""
    shipped = {point: offset for point, (_, offset) in POINTS.items()}
    as_is = bench.measure([dict(SHIPPED)], "shipped")[0]
    chosen = choices(bench, moves)
    lines = []
    for row in bench.rows:
        setting, means = chosen[row.set]
        offsets = {point: offset_of(means, beta, row.set) for point, (beta, _) in POINTS.items()}
        lines += [
            line_of("shipped", row, as_is[row], shipped, {}),
            line_of("left out", row, means[row], offsets, setting),
        ]
    return lines


def line_of(
    what: str, row: Row, means: Means, offsets: Mapping[str, float], moved: Setting
) -> dict[str, str]:
    """A line of the tables."""
    at = {point: OFFSETS.index(offset) for point, offset in offsets.items()}
    f1, best = float(means.reached[1.0][at["auto"]]), means.best[1.0]
    alarms = float(means.alarms[at["auto"]])
    factors = {name: value / SHIPPED[name] for name, value in moved.items()}
    return {
        "set": row.set,
        "direction": row.direction,
        "constants": what,
        "AUC": f"{means.auc:.3f}",
        "AP": f"{means.ap:.3f}",
        "best F1": f"{best:.3f}",
        "F1": f"{f1:.3f}",
        "F1 / best F1": f"{f1 / best:.2f}",
        "cautious F.5": f"{float(means.reached[0.5][at['cautious']]):.3f}",
        "thorough F2": f"{float(means.reached[2.0][at['thorough']]):.3f}",
        "false alarms": "" if math.isnan(alarms) else f"{alarms:.3f}",
        "offsets": " ".join(f"{offset:+.1f}" for offset in offsets.values()),
        "moved": ", ".join(
            f"{name} × {factor:.1f}" for name, factor in factors.items() if factor != 1
        ),
    }


def markdown(lines: Sequence[Mapping[str, str]]) -> str:
    """A table."""
    names = list(lines[0])
    rows = [names, ["---"] * len(names), *(list(line.values()) for line in lines)]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def main() -> None:
    """Makes tables, tries settings, writes what the other sets would have chosen."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sets", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--most", type=int, default=35, help="pairs of a set")
    parser.add_argument("--moves", type=int, default=1, help="constants that may move")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    columns = (
        TextColumn("{task.description:>10}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns) as progress:
        rows = tables_of(read_sets(args.sets), args, progress)
        lines = report(Bench(rows, args.out, progress), args.moves)
    text = markdown(lines)
    (args.out / "leave_one_out.md").write_text(text, encoding="utf-8")
    with (args.out / "leave_one_out.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(lines[0]))
        writer.writeheader()
        writer.writerows(lines)
    print(text)


if __name__ == "__main__":
    main()
