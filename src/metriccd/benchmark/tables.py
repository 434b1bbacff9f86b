"""Tables of figures in CSV and Markdown, where every figure says what the reference chose."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from metriccd.accuracy import Scores


class Column(NamedTuple):
    """A column of a table for people.

    Attributes:
        title: Its head.
        basis: What the reference was used for, see `Scores.BASIS`; empty where it is no figure.
        digits: After the decimal point.
    """

    title: str
    basis: str = ""
    digits: int = 3


# A threshold that a rule found, or that was fixed beforehand, saw no reference.
BASIS = {**Scores.BASIS, "threshold": "label-free"}
_TITLES = {
    "oa": "OA",
    "ua": "UA",
    "recall": "Recall",
    "f1": "F1",
    "iou": "IoU",
    "kappa": "kappa",
    "auc": "AUC",
    "ap": "AP",
    "best_f1": "best F1",
}
COLUMNS = {name: Column(title, BASIS[name]) for name, title in _TITLES.items()}
MEANING = {
    "label-free": "the threshold was found without the reference",
    "threshold-free": "no threshold is needed",
    "oracle": "the reference chose the threshold",
}


def marked(method: str, supervised: bool) -> str:
    """A method as tables name it, so that nobody takes a supervised one for label-free."""
    return f"{method} (supervised)" if supervised else method


def basis_line(supervised: bool = False) -> str:
    """Which columns are label-free, threshold-free or oracle, in a sentence.

    Args:
        supervised: Whether there are rows that are.
    """
    groups: dict[str, list[str]] = {}
    for column in COLUMNS.values():
        groups.setdefault(column.basis, []).append(column.title)
    parts = [f"{', '.join(titles)}: {basis} ({MEANING[basis]})" for basis, titles in groups.items()]
    learned = (
        " A row that is marked supervised has learned from references of other places: nothing in "
        "it is label-free."
    )
    return "; ".join(parts) + "." + (learned if supervised else "")


def csv_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as CSV; the title of a figure says its basis: "f1 (label-free)"."""
    titles = {name: f"{name} ({BASIS[name]})" if name in BASIS else name for name in rows[0]}
    text = io.StringIO()
    writer = csv.DictWriter(text, list(titles.values()), lineterminator="\n")
    writer.writeheader()
    writer.writerows({titles[name]: value for name, value in row.items()} for row in rows)
    return text.getvalue()


def markdown_table(
    rows: Sequence[Mapping[str, Any]], columns: Mapping[str, Column] = COLUMNS
) -> str:
    """Rows as Markdown: method, threshold rule and figures, their bases under the titles.

    Args:
        rows: Each with "method", "rule" and numbers by name; None is shown as a dash.
        columns: The numbers shown.
    """
    lines = [
        _line("method", "threshold", *(column.title for column in columns.values())),
        f"|---|---|{'---:|' * len(columns)}",
        _line("", "", *(column.basis and f"*{column.basis}*" for column in columns.values())),
    ]
    for row in rows:
        figures = (cell(row.get(name), column.digits) for name, column in columns.items())
        name = marked(row["method"], row.get("supervised", False))
        lines.append(_line(name, row["rule"], *figures))
    return "\n".join(lines)


def cell(value: float | None, digits: int = 3) -> str:
    """A figure for people; a dash where it is undefined."""
    return "–" if value is None else f"{value:.{digits}f}"


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
