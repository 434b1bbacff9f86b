"""A survey: how entries fare on sets of different kinds, and where they fare worst."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from metriccd.accuracy import Confusion
from metriccd.benchmark.leaderboard import Leaderboard
from metriccd.benchmark.tables import Column, markdown_table
from metriccd.output import add_together

SURVEY_COLUMNS = {
    "pairs": Column("pairs", digits=0),
    "auc": Column("AUC", "threshold-free"),
    "ap": Column("AP", "threshold-free"),
    "f1": Column("F1", "label-free"),
    "best_f1": Column("best F1", "oracle"),
    "f1_ratio": Column("F1 / best F1", "oracle"),
    "pooled_f1": Column("pooled F1", "label-free"),
    "share_true": Column("share true", "reference"),
    "share_said": Column("share said", "label-free"),
    "share_error": Column("said off by", "reference", digits=2),
    "false_alarms": Column("false alarms", "label-free", digits=4),
    "seconds": Column("s", digits=2),
}
EXPLAINED = (
    "Means over the pairs of a set whose reference holds change; F1 / best F1 is the ratio of the "
    "two means. Share said and true: of the judged pixels, mean over pairs; said off by: the "
    "factor between them, geometric mean over pairs, in either direction. False alarms: share of "
    "the judged pixels said to be change on pairs whose reference holds none. The last rows are "
    "means over the sets, and the worst set by F1 / best F1, figure by figure.",
)
# Of these the smallest is the worst; of all others, nothing is said.
_HIGHER = ("auc", "ap", "f1", "best_f1", "f1_ratio", "pooled_f1")
_LOWER = ("share_error", "false_alarms")


@dataclass(frozen=True, kw_only=True)
class Survey:
    """Entries on several sets.

    Attributes:
        sets: Name of a set → what entries gave on its pairs.
        FILES: Names of what is written.
    """

    FILES: ClassVar[tuple[str, ...]] = ("sets.csv", "sets.json", "sets.md")

    sets: Mapping[str, Leaderboard] = field(repr=False)

    def rows(self) -> Iterator[dict[str, Any]]:
        """A row for each set, entry and rule, then means over sets and the worst of each figure."""
        rows = [row for name, leaderboard in self.sets.items() for row in _rows(name, leaderboard)]
        yield from rows
        if len(self.sets) < 2:
            return
        entries = {(row["method"], row["rule"]): row["supervised"] for row in rows}
        for (method, rule), supervised in entries.items():
            own = [row for row in rows if (row["method"], row["rule"]) == (method, rule)]
            for scope, summary in (("mean of sets", _mean), ("worst set", _worst)):
                head = {"set": scope, "method": method, "rule": rule, "supervised": supervised}
                yield head | {
                    name: summary(name, _defined(row[name] for row in own))
                    for name in SURVEY_COLUMNS
                }

    def markdown(self) -> str:
        """The table for people."""
        rows = [row | {"method": f"{row['set']}: {row['method']}"} for row in self.rows()]
        return "\n\n".join(["# Sets", markdown_table(rows, SURVEY_COLUMNS), *EXPLAINED]) + "\n"

    def write(self, out: Path) -> None:
        """Writes sets.csv, sets.json and sets.md, together.

        Raises:
            OutputError: The folder cannot be written.
        """
        rows = list(self.rows())
        text = io.StringIO()
        titles = {
            name: f"{name} ({column.basis})" if column.basis else name
            for name, column in SURVEY_COLUMNS.items()
        }
        names = {name: name for name in ("set", "method", "rule", "supervised")} | titles
        writer = csv.DictWriter(text, list(names.values()), lineterminator="\n")
        writer.writeheader()
        writer.writerows({names[key]: value for key, value in row.items()} for row in rows)
        add_together(
            out,
            {
                "sets.csv": text.getvalue().encode(),
                "sets.json": json.dumps({"rows": rows}, indent=2).encode(),
                "sets.md": self.markdown().encode(),
            },
        )


def _rows(name: str, leaderboard: Leaderboard) -> Iterator[dict[str, Any]]:
    for method, rule, runs in leaderboard.columns():
        outcomes = [run.rules[rule] for run in runs]
        changed = [each for each in outcomes if each.scores.n_changed]
        figures = {
            figure: _mean(figure, [getattr(each.scores, figure) for each in changed])
            for figure in ("auc", "ap", "f1", "best_f1")
        }
        shares = [_shares(each.confusion) for each in changed]
        pooled = sum((each.confusion for each in outcomes), Confusion())
        alarms = [_shares(each.confusion)[0] for each in outcomes if not each.scores.n_changed]
        f1, best = figures["f1"], figures["best_f1"]
        yield (
            {
                "set": name,
                "method": method,
                "rule": rule,
                "supervised": method in leaderboard.supervised,
            }
            | figures
            | {
                "pairs": len(outcomes),
                "f1_ratio": f1 / best if f1 is not None and best else None,
                "pooled_f1": pooled.f1,
                "share_said": _mean("share_said", [said for said, _ in shares]),
                "share_true": _mean("share_true", [true for _, true in shares]),
                "share_error": _factor(shares),
                "false_alarms": _mean("false_alarms", alarms),
                "seconds": _mean("seconds", [run.seconds for run in runs]),
            }
        )


def _shares(confusion: Confusion) -> tuple[float, float]:
    """Shares of the judged pixels that are said to be change, and that are."""
    total = confusion.tp + confusion.fp + confusion.fn + confusion.tn
    return (confusion.tp + confusion.fp) / total, (confusion.tp + confusion.fn) / total


def _factor(shares: Sequence[tuple[float, float]]) -> float | None:
    """Geometric mean of the factor between two shares; a share of nothing counts as .01 %."""
    logs = [abs(math.log(max(said, 1e-4) / max(true, 1e-4))) for said, true in shares]
    return math.exp(sum(logs) / len(logs)) if logs else None


def _defined(values: Iterator[float | None]) -> list[float]:
    return [value for value in values if value is not None and not math.isnan(value)]


def _mean(name: str, values: Sequence[float]) -> float | None:
    if name == "pairs":
        return sum(values)
    return sum(values) / len(values) if values else None


def _worst(name: str, values: Sequence[float]) -> float | None:
    if not values or name not in (*_HIGHER, *_LOWER):
        return None
    return min(values) if name in _HIGHER else max(values)
