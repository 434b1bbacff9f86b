"""Leaderboard: what the runs of a benchmark come to, by pair, as means over pairs, and pooled."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from metriccd.accuracy import Confusion, Ranking, Scores, draw_curves, mean_scores
from metriccd.benchmark.journal import Run
from metriccd.benchmark.published import MEASURES, NOTES, published
from metriccd.benchmark.tables import (
    BASIS,
    COLUMNS,
    Column,
    basis_line,
    csv_table,
    markdown_table,
    marked,
)
from metriccd.output import RECORD, add_together

COSTS = {
    "seconds": Column("s", digits=2),
    "total_seconds": Column("total s", digits=2),
    "peak_mib": Column("peak MiB", digits=0),
}
EXPLAINED = (
    "s: the method alone; total s: with reading the pair and finding the threshold; peak MiB: "
    "resident memory of the process while the method ran, images included. Means over pairs; "
    "summed up, and the peak the largest, where pixels are pooled.",
    "AUC, AP and best F1 rank the difference image. Pooled, they take it to mean the same in every "
    "pair, and best F1 has one threshold for all, so that it may lie below F1.",
)


@dataclass(frozen=True, kw_only=True)
class Leaderboard:
    """Entries on the pairs of a data set.

    Attributes:
        dataset: Its name.
        split: The part of it.
        grid: The ablation, if one was asked for.
        runs: Name of a pair → name of an entry → what it gave.
        record: Inputs, settings and versions, as written to `run.json`.
        supervised: Entries that references of other places have taught.
        notes: What nobody should read the tables without, a line each.
    """

    dataset: str
    split: str
    grid: str | None
    runs: Mapping[str, Mapping[str, Run]] = field(repr=False)
    record: Mapping[str, Any] = field(default_factory=dict, repr=False)
    supervised: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()

    def rows(self) -> Iterator[dict[str, Any]]:
        """A row for each entry and rule: of each pair, mean over pairs, and pooled."""
        for pair, runs in self.runs.items():
            for name, run in runs.items():
                for rule, outcome in run.rules.items():
                    costs = _costs([run], [outcome.seconds])
                    head = self._head("pair", pair, name, rule)
                    yield _row(head, outcome.scores, outcome.threshold, costs)
        yield from self.mean()
        yield from self.pooled()

    def mean(self) -> Iterator[dict[str, Any]]:
        """Unweighted means over pairs; the largest peak of memory."""
        for name, rule, runs in self.columns():
            outcomes = [run.rules[rule] for run in runs]
            costs = _costs(runs, [outcome.seconds for outcome in outcomes], share=len(runs))
            head = self._head("mean", None, name, rule)
            yield _row(head, mean_scores([outcome.scores for outcome in outcomes]), None, costs)

    def pooled(self) -> Iterator[dict[str, Any]]:
        """Figures of the pixels of all pairs together; times are summed."""
        rankings = self.rankings()
        for name, rule, runs in self.columns():
            outcomes = [run.rules[rule] for run in runs]
            confusion = sum((outcome.confusion for outcome in outcomes), Confusion())
            costs = _costs(runs, [outcome.seconds for outcome in outcomes])
            head = self._head("pooled", None, name, rule)
            yield _row(head, Scores.of(confusion, rankings[name]), None, costs)

    def _head(self, scope: str, pair: str | None, method: str, rule: str) -> dict[str, Any]:
        return {
            "scope": scope,
            "pair": pair,
            "method": method,
            "rule": rule,
            "supervised": method in self.supervised,
        }

    def rankings(self) -> dict[str, Ranking]:
        """Name of an entry → its ranking, pooled over pairs."""
        pooled: dict[str, Ranking] = {}
        for runs in self.runs.values():
            for name, run in runs.items():
                pooled[name] = pooled[name] + run.ranking if name in pooled else run.ranking
        return pooled

    def markdown(self) -> str:
        """Both tables for people, the paper's figures beside ours where it has any."""
        paper = published(self.dataset, self.grid)
        means = [
            row | {f"paper {name}": value for name, value in paper.get(row["method"], {}).items()}
            for row in self.mean()
        ]
        paper_columns = {
            f"paper {name}": Column(f"paper: {COLUMNS[name].title}", "as printed")
            for name in MEASURES
            if any(f"paper {name}" in row for row in means)
        }
        parts = [
            f"# {self.dataset}, split {self.split}: {len(self.runs)} pairs",
            *(f"**{note}.**" for note in self.notes),
            "## Mean over pairs",
            markdown_table(means, COLUMNS | COSTS | paper_columns),
            "## Pooled pixels",
            markdown_table(list(self.pooled()), COLUMNS | COSTS),
            basis_line(bool(self.supervised)),
            *EXPLAINED,
            *(NOTES[self.dataset] if paper_columns else ()),
        ]
        return "\n\n".join(parts) + "\n"

    def write(self, out: Path) -> None:
        """Writes table.csv, table.json, table.md, curves.png and run.json, together.

        Raises:
            OutputError: The folder cannot be written.
        """
        rows = list(self.rows())
        record = dict(self.record) | {"created": datetime.now(UTC).isoformat()}
        curves = {
            marked(name, name in self.supervised): ranking
            for name, ranking in self.rankings().items()
        }
        title = f"{self.dataset}, split {self.split}: {len(self.runs)} pairs, pixels pooled"
        add_together(
            out,
            {
                "table.csv": csv_table(rows).encode(),
                "table.json": json.dumps({"rows": rows, "basis": BASIS}, indent=2).encode(),
                "table.md": self.markdown().encode(),
                "curves.png": draw_curves(curves, title=title),
                RECORD: json.dumps(record, indent=2, default=sorted).encode(),
            },
        )

    def columns(self) -> Iterator[tuple[str, str, list[Run]]]:
        """Entry, rule and the runs of all pairs."""
        first = next(iter(self.runs.values()))
        for name, run in first.items():
            for rule in run.rules:
                yield name, rule, [runs[name] for runs in self.runs.values()]


def _row(
    head: Mapping[str, Any],
    scores: Scores,
    threshold: float | None,
    costs: Mapping[str, float],
) -> dict[str, Any]:
    return {**head, **scores.as_dict(), "threshold": threshold, **costs}


def _costs(runs: Sequence[Run], deciding: Sequence[float], share: int = 1) -> dict[str, float]:
    """Times of runs and of their rule, summed and divided by `share`, and the largest peak."""
    seconds = sum(run.seconds for run in runs)
    total = seconds + sum(run.read_seconds for run in runs) + sum(deciding)
    return {
        "seconds": round(seconds / share, 3),
        "total_seconds": round(total / share, 3),
        "peak_mib": round(max(run.peak_mib for run in runs), 1),
    }
