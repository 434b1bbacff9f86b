"""What people see in the terminal: summaries and tables."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from metriccd.cli.program import say

# Only plain libraries at the top: the command line must open at once.

# Failures of a batch that are told; the others are in its files.
SHOWN = 10


def summarize(out: Path, summary: Mapping[str, Any], *, quiet: bool, as_json: bool) -> None:
    """Says what `detect` found and where to look."""
    if as_json:
        print_json({"out": str(out), **summary})
    elif not quiet:
        area = "" if summary["area_m2"] is None else f" ({summary['area_m2'] / 1e4:,.1f} ha)"
        typer.echo(
            f"{summary['changed_share']:.2%} changed{area} in {summary['objects']:,} objects; "
            f"threshold {summary['threshold']:.3g} ({_chosen(summary)})"
        )
        if summary["certainty"] is not None:
            typer.echo(f"{summary['certainty'][0].upper()}{summary['certainty'][1:]}.")
        for warning in summary["warnings"]:
            say(f"warning: {warning}")
        typer.echo(f"Open {out / 'report.html'} in a browser, or {out / 'change.tif'} in QGIS.")


def summarize_series(out: Path, summary: Mapping[str, Any], *, quiet: bool, as_json: bool) -> None:
    """Says what `series` found and where to look."""
    if as_json:
        print_json({"out": str(out), **summary})
    elif not quiet:
        typer.echo(f"{summary['sentence']}; {summary['objects']:,} objects")
        for warning in summary["warnings"]:
            typer.echo(f"warning: {warning}", err=True)
        typer.echo(
            f"Open {out / 'report.html'} in a browser, or {out / 'first_change.tif'} in QGIS."
        )


def _chosen(summary: Mapping[str, Any]) -> str:
    """What chose a threshold: only a rule is known to have seen no reference."""
    rule = summary["rule"]
    basis = "supervised" if summary["supervised"] else "label-free"
    if rule == "fixed":
        return "supervised" if summary["supervised"] else "set by hand"
    return f"{rule}, {basis}"


def print_checkup(found: Any, costs: Sequence[Any], *, quiet: bool, as_json: bool) -> None:
    """Shows what is known of a pair, on one page."""
    if as_json:
        presets = [
            {
                "preset": each.preset,
                "seconds": round(each.seconds),
                "mib": round(each.mib),
                "fits": each.fits,
            }
            for each in costs
        ]
        print_json({**found.as_dict(), "presets": presets})
        return
    if quiet:
        return
    for name, text in found.lines():
        typer.echo(f"{name:>18}  {text}")
    for each in costs:
        typer.echo(f"{each.preset:>18}  {expense(each)}")
    for warning in found.warnings:
        typer.echo(f"warning: {warning}")


def expense(cost: Any) -> str:
    """What a preset takes on this machine."""
    room = "" if cost.fits is None else " (fits)" if cost.fits else " (more than is free)"
    return f"about {duration(cost.seconds)} here, {cost.mib / 1024:.1f} GiB{room}"


def duration(seconds: float) -> str:
    """Seconds, minutes or hours, whichever reads well."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def print_batch(out: Path, standing: Any, *, quiet: bool, as_json: bool) -> None:
    """Says how many pairs are done, which failed and why, and where to look."""
    from metriccd.batch import INDEX, SUMMARY

    counts = {name: getattr(standing, name) for name in ("kept", "done", "failed", "left")}
    if as_json:
        print_json(
            {
                "out": str(out),
                "pairs": standing.total,
                **counts,
                "seconds": round(standing.seconds, 1),
                "summary": str(out / SUMMARY),
                "index": str(out / INDEX),
                "failures": [{"id": name, "error": line} for name, line in standing.failures],
            }
        )
        return
    for name, line in standing.failures[:SHOWN]:
        typer.echo(f"failed: {name}: {line}", err=True)
    if quiet:
        return
    if standing.failed > SHOWN:
        typer.echo(f"failed: {standing.failed - SHOWN:,} more; see {out / INDEX}", err=True)
    kept = f", {counts['kept']:,} of them by an earlier run" if counts["kept"] else ""
    rest = "".join(
        f"; {counts[name]:,} {word}"
        for name, word in (("failed", "failed"), ("left", "left"))
        if counts[name]
    )
    typer.echo(
        f"{counts['kept'] + counts['done']:,} of {standing.total:,} pairs are done{kept}{rest}; "
        f"{duration(standing.seconds)}"
    )
    if counts["failed"] or counts["left"]:
        typer.echo("The same command goes on with what is not done.")
    typer.echo(f"Open {out / INDEX} in a browser, or {out / SUMMARY} in QGIS.")


def print_batch_plan(plan: Any, *, quiet: bool, as_json: bool) -> None:
    """Says what a batch would be, and what of it cannot be done."""
    if as_json:
        print_json(
            {
                "pairs": plan.pairs,
                "ready": plan.ready,
                "workers": plan.workers,
                "seconds": round(plan.seconds),
                "refused": [{"id": name, "error": line} for name, line in plan.refused],
            }
        )
        return
    for name, line in plan.refused[:SHOWN]:
        typer.echo(f"refused: {name}: {line}", err=True)
    if quiet:
        return
    if len(plan.refused) > SHOWN:
        typer.echo(f"refused: {len(plan.refused) - SHOWN:,} more", err=True)
    typer.echo(
        f"{plan.ready:,} of {plan.pairs:,} pairs can be opened; they would take about "
        f"{duration(plan.seconds)} on {plan.workers:,} workers"
    )
    typer.echo("Nothing was written: leave out --dry-run to do it.")


def print_evaluation(found: Any, places: dict[str, str], *, quiet: bool, as_json: bool) -> None:
    """Shows the figures of one result."""
    if as_json:
        print_json({**places, **found.as_dict()})
    elif not quiet:
        table, ends = Table("measure", "value", "95 % interval", "basis"), found.ends()
        for label, (value, basis) in found.figures().items():
            interval = "{:.3f} to {:.3f}".format(*ends[label]) if label in ends else ""
            table.add_row(label, f"{value:.4f}", interval, basis)
        Console().print(table)
        for warning in found.warnings:
            say(f"warning: {warning}")
        for each in found.objects:
            typer.echo(
                f"Objects, at an intersection over union above {each.iou:g}: {each.found:,} of "
                f"{each.reference:,} found, {each.missed:,} missed; {each.false:,} of "
                f"{each.objects:,} false."
            )


def print_sample(
    figures: Mapping[str, tuple[float, str]],
    places: dict[str, str],
    *,
    quiet: bool,
    as_json: bool,
) -> None:
    """Shows what was estimated from a sample of points."""
    if as_json:
        print_json({**places, "sample": {name: value for name, (value, _) in figures.items()}})
    elif not quiet:
        table = Table("measure", "value", "basis")
        for name, (value, basis) in figures.items():
            table.add_row(name, f"{value:,.4f}", basis)
        Console().print(table)


def print_comparison(out: Path, comparison: Any, *, quiet: bool, as_json: bool) -> None:
    """Shows the table of a comparison."""
    from metriccd.benchmark import BASIS, basis_line

    rows = list(comparison.rows())
    if as_json:
        print_json({"out": str(out), "rows": rows, "basis": BASIS})
    elif not quiet:
        _print_rows(rows)
        typer.echo(basis_line(bool(comparison.supervised)))
        typer.echo(f"Open {out / 'panel.png'}, {out / 'curves.png'} and {out / 'table.md'}.")


def print_leaderboard(out: Path, leaderboard: Any, *, quiet: bool, as_json: bool) -> None:
    """Shows the means of a benchmark."""
    from metriccd.benchmark import BASIS, basis_line

    if as_json:
        print_json({"out": str(out), "rows": list(leaderboard.rows()), "basis": BASIS})
    elif not quiet:
        for warning in leaderboard.record["warnings"]:
            say(f"warning: {warning}")
        _print_rows(list(leaderboard.mean()))
        basis = basis_line(bool(leaderboard.supervised))
        typer.echo(f"Means over {len(leaderboard.runs)} pairs. {basis}")
        typer.echo(f"Open {out / 'table.md'}, which pools pixels too, and {out / 'curves.png'}.")


def print_survey(out: Path, survey: Any, *, quiet: bool, as_json: bool) -> None:
    """Shows how entries fare on sets of different kinds."""
    from metriccd.benchmark import SURVEY_COLUMNS, cell, marked

    rows = list(survey.rows())
    if as_json:
        print_json({"out": str(out), "rows": rows})
    elif not quiet:
        table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
        for title in ("set", "method", "rule"):
            table.add_column(title, no_wrap=True)
        for column in SURVEY_COLUMNS.values():
            table.add_column(column.title, justify="right")
        for row in rows:
            figures = (cell(row[name], column.digits) for name, column in SURVEY_COLUMNS.items())
            name = marked(row["method"], row["supervised"]).replace(" (", "\n(")
            table.add_row(row["set"], name, row["rule"], *figures)
        _print_whole(table)
        typer.echo(f"Open {out / 'sets.md'}.")


def _print_rows(rows: Sequence[Mapping[str, Any]]) -> None:
    from metriccd.benchmark import COLUMNS, cell, marked

    # Without lines between the columns, and zeros before points, it fits 80 characters.
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
    for name in ("method", "rule"):
        table.add_column(name, no_wrap=True)
    for title in (*(column.title for column in COLUMNS.values()), "s"):
        table.add_column(title, justify="right")
    for row in rows:
        figures = (cell(row[name]).removeprefix("0") for name in COLUMNS)
        name = marked(row["method"], row["supervised"]).replace(" (", "\n(")
        table.add_row(name, row["rule"], *figures, f"{row['seconds']:.1f}")
    _print_whole(table)


def _print_whole(table: Table) -> None:
    """Shows a table of figures as wide as it is: a figure that is cut is none."""
    console = Console()
    wide = Measurement.get(console, console.options.update(max_width=1000), table).maximum
    Console(width=max(console.width, wide)).print(table)


def print_json(content: dict[str, Any]) -> None:
    """One JSON object on standard output."""
    typer.echo(json.dumps(content))
