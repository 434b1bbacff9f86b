"""Benchmark: methods, presets and ablations over the pairs of a data set, resumable."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from metriccd.accuracy import judged_pixels
from metriccd.benchmark.ablation import read_grid
from metriccd.benchmark.comparison import choose_methods
from metriccd.benchmark.datasets import Pair
from metriccd.benchmark.journal import Journal, Run, file_name, is_used
from metriccd.benchmark.leaderboard import Leaderboard
from metriccd.benchmark.places import opened, reference_of
from metriccd.benchmark.sets import PairSet
from metriccd.benchmark.survey import Survey
from metriccd.benchmark.trial import Entry, Judge
from metriccd.errors import DataError, OutputError
from metriccd.methods import (
    DEEP,
    DIRECTED,
    PRESETS,
    SUPERVISED,
    Direction,
    choose_device,
    choose_preset,
    options_of,
)
from metriccd.nets import load_extractor
from metriccd.output import locked, require_ours
from metriccd.raster import as_raster
from metriccd.result import code_digest, input_of, sha256_of, versions, weights_of
from metriccd.stages import Progress, Stages
from metriccd.supervised import about_checkpoint

# Name of a pair → name of an entry → all that decides what it gives.
Keys = Mapping[str, Mapping[str, Mapping[str, Any]]]


def choose_entries(
    methods: Sequence[str], thresholds: Sequence[str] = (), grid: str | None = None
) -> list[Entry]:
    """What a request asks for, each once: methods and presets, then the rows of a grid.

    A preset, and a row of a grid, decides by its own rule. So does a method, unless rules are
    named: then it is a row for each.

    Args:
        methods: Names of methods and presets; "all" is every method that is not fitted.
        thresholds: Rules for the methods.
        grid: See `read_grid`.

    Raises:
        DataError: The grid cannot be read, or names a row as a method is named.
        ValueError: No such method, preset or rule, or none at all.
    """
    entries: dict[str, Entry] = {}
    for name in methods:
        if name in PRESETS:
            entries[name] = Entry(name=name, preset=PRESETS[name])
            continue
        try:
            names, rules = choose_methods([name], thresholds or ["otsu"])
        except ValueError as error:
            raise ValueError(f"{error}; presets are {', '.join(PRESETS)}") from None
        for method in names:
            preset = choose_preset("default", method, "auto")
            entries[method] = Entry(name=method, preset=preset, rules=rules if thresholds else ())
    for name, preset in (read_grid(grid) if grid is not None else {}).items():
        if name in entries:
            raise DataError(f"a row of a grid must have a name of its own: {name!r} is a method")
        entries[name] = Entry(name=name, preset=preset)
    if not entries:
        raise ValueError("a benchmark needs a method, a preset or a grid: got none")
    return list(entries.values())


def benchmark(
    pairs: Sequence[Pair],
    entries: Sequence[Entry],
    out: Path,
    *,
    dataset: str,
    split: str = "all",
    grid: str | None = None,
    extractor: str | None = None,
    device: str = "auto",
    seed: int = 0,
    progress: Progress | None = None,
) -> Leaderboard:
    """Runs every entry on every pair, as `detect` would, and writes tables and curves to `out`.

    What the journal in `out` holds of the same settings is not run again.

    Args:
        pairs: From `find_pairs`.
        entries: From `choose_entries`.
        out: A folder that is new, or holds an earlier benchmark.
        dataset: What the tables call the data set.
        split: What they call the part of it.
        grid: What was asked for, to find what the paper prints of it.
        extractor: "embedded", "vgg16" or a weights file, instead of each entry's own.
        device: "auto", "cpu", "cuda" or "mps".
        seed: Same seed, same machine: same result.
        progress: Called with (stage, done, total) as work goes on.

    Raises:
        DataError: A pair or its reference cannot be read or compared.
        GridError: The images of a pair share no grid, or the reference does not lie on t1's.
        WeightsError: An extractor's weights are not at hand.
        OutputError: `out` holds something else, cannot be written, or another benchmark writes
            it.
    """
    if extractor is not None:
        entries = [
            replace(entry, preset=replace(entry.preset, extractor=extractor)) for entry in entries
        ]
    stages = Stages(progress)
    settings = {"seed": seed, "device": choose_device(device)}
    settings |= {"versions": versions(), "code": code_digest()}
    descriptions = {entry.name: _described(entry) for entry in entries}
    inputs = {}
    with stages.stage("inputs", len(pairs)) as advance:
        for pair in pairs:
            inputs[pair.name] = _inputs(pair)
            advance(1)
    keys = {
        pair: {
            name: settings | {"pair": _contents(files), "entry": entry}
            for name, entry in descriptions.items()
        }
        for pair, files in inputs.items()
    }
    with Journal.opened(out) as journal:
        _run_missing(pairs, entries, journal, keys, stages)
        runs = {
            pair: {name: _kept(journal, pair, name, key) for name, key in of_pair.items()}
            for pair, of_pair in keys.items()
        }
        record = {"dataset": dataset, "split": split, "grid": grid, **settings}
        notes = tuple(_taught(list(runs), entries, dataset))
        record |= {"entries": descriptions, "pairs": inputs}
        record["warnings"] = [*notes, *_warnings(runs)]
        leaderboard = Leaderboard(
            dataset=dataset,
            split=split,
            grid=grid,
            runs=runs,
            record=record,
            supervised=frozenset(
                entry.name for entry in entries if entry.preset.method in SUPERVISED
            ),
            notes=notes,
        )
        leaderboard.write(out)
    return leaderboard


def benchmark_sets(
    sets: Sequence[PairSet],
    entries: Sequence[Entry],
    out: Path,
    *,
    extractor: str | None = None,
    device: str = "auto",
    seed: int = 0,
    progress: Progress | None = None,
) -> Survey:
    """Runs every entry on every set, each in a folder of `out`, and writes tables over all sets.

    Args:
        sets: From `read_sets`. Entries that know directions run in each of those of a set.
        entries: From `choose_entries`.
        out: A folder that is new, or holds an earlier benchmark of sets.
        extractor: Instead of each entry's own.
        device: "auto", "cpu", "cuda" or "mps".
        seed: Same seed, same machine: same result.
        progress: Called with (stage, done, total) as work goes on.

    Raises:
        DataError: A pair or its reference cannot be read or compared.
        OutputError: `out` holds something else, cannot be written, or another benchmark writes
            it.
    """
    folders = {each.name: out / file_name(each.name) for each in sets}
    if is_used(out) and not any(folder.is_dir() for folder in folders.values()):
        raise OutputError(
            f"OUT must be new, or an earlier benchmark of these sets to go on with: {out} is "
            "neither; choose another folder"
        )
    require_ours(out, Survey.FILES)
    leaderboards = {}
    with locked(out, "benchmark"):
        for each in sets:
            leaderboards[each.name] = benchmark(
                each.pairs,
                [one for entry in entries for one in _directed(entry, each.directions)],
                folders[each.name],
                dataset=each.dataset,
                split=each.split,
                extractor=extractor,
                device=device,
                seed=seed,
                progress=progress,
            )
        survey = Survey(sets=leaderboards)
        survey.write(out)
    return survey


def _directed(entry: Entry, directions: Sequence[Direction]) -> Iterator[Entry]:
    """An entry in each direction, where its method knows directions."""
    if entry.preset.method not in DIRECTED:
        yield entry
        return
    for direction in directions:
        name = entry.name if direction == "both" else f"{entry.name}, {direction}"
        yield replace(entry, name=name, preset=replace(entry.preset, direction=direction))


def _run_missing(
    pairs: Sequence[Pair],
    entries: Sequence[Entry],
    journal: Journal,
    keys: Keys,
    stages: Stages,
) -> None:
    """Runs what the journal lacks, pair by pair, so that each pair is read once."""
    missing = {
        pair.name: [
            entry
            for entry in entries
            if journal.find(pair.name, entry.name, keys[pair.name][entry.name]) is None
        ]
        for pair in pairs
    }
    with stages.stage("runs", sum(map(len, missing.values()))) as advance:
        for pair in pairs:
            if not missing[pair.name]:
                continue
            start = time.perf_counter()
            images = opened(pair)
            block = images.load()
            seconds = time.perf_counter() - start
            changed, known = reference_of(pair, images)
            judge = Judge(
                changed=changed, judged=judged_pixels(block.valid, known), grid=images.grid
            )
            for entry in missing[pair.name]:
                key = keys[pair.name][entry.name]
                options = options_of(
                    entry.preset,
                    images,
                    device=key["device"],
                    seed=key["seed"],
                    stages=Stages(_long_ones(stages.progress)),
                )
                measured = judge.measure(entry, block, options, Stages())
                journal.add(pair.name, entry.name, key, measured, seconds)
                advance(1)


def _long_ones(progress: Progress | None) -> Progress | None:
    """Progress of the stages in several steps only: a bar for each of a method's would flicker."""
    if progress is None:
        return None

    def report(stage: str, done: int, total: int) -> None:
        if total > 1:
            progress(stage, done, total)

    return report


def _described(entry: Entry) -> dict[str, Any]:
    """All that makes an entry, and the weights it needs.

    Raises:
        WeightsError: They are not at hand, or lack a level.
    """
    preset, description = entry.preset, asdict(entry.preset) | {"rules": entry.rules}
    if preset.method in DEEP:
        load_extractor(preset.extractor, levels=preset.fit.levels)
        description["weights"] = weights_of(preset.extractor)
    if preset.checkpoint is not None:
        # Its path does not matter, what it holds does.
        description["checkpoint"] = sha256_of(Path(preset.checkpoint))
    return description


def _inputs(pair: Pair) -> dict[str, Any]:
    """What a pair is read from, with checksums; faults show before the first run.

    Raises:
        DataError: An image or the reference cannot be read.
        GridError: The images share no grid, or the reference does not lie on t1's.
    """
    images = opened(pair)
    reference_of(pair, images)
    return {
        "t1": input_of(images.t1),
        "t2": input_of(images.t2),
        "reference": input_of(as_raster(pair.reference, "reference")),
        "bands": [band.name for band in images.t1.bands],
        "inverted": pair.inverted,
        "unchanged_label": pair.unchanged_label,
    }


def _contents(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The same without paths: a data set may move."""
    return {
        name: [file["sha256"] for file in value["files"]] if isinstance(value, dict) else value
        for name, value in inputs.items()
    }


def _kept(journal: Journal, pair: str, entry: str, key: Mapping[str, Any]) -> Run:
    run = journal.find(pair, entry, key)
    if run is None:
        raise OutputError(
            f"OUT must keep what is written to it: the run of {entry} on {pair} is gone; "
            "run the command again"
        )
    return run


def _taught(pairs: Sequence[str], entries: Sequence[Entry], dataset: str) -> Iterator[str]:
    """A line for each entry whose checkpoint has learned from references of pairs of these names.

    What it finds there is recalled, not found.
    """
    for entry in entries:
        if entry.preset.checkpoint is None:
            continue
        about = about_checkpoint(Path(entry.preset.checkpoint))
        known = [pair for pair in pairs if about.dataset == dataset and pair in about.places]
        if known:
            yield (
                f"{entry.name} has learned from the references of {len(known)} of the {len(pairs)} "
                f"pairs ({', '.join(known)}): its figures there, and means and pools with them, "
                "measure nothing; train it with --skip, or measure elsewhere"
            )


def _warnings(runs: Mapping[str, Mapping[str, Run]]) -> list[str]:
    """What the user should know of each run, and of all; once where it is the same of all pairs."""
    found: dict[tuple[str, str], list[str]] = {}
    for pair, of_pair in runs.items():
        for name, run in of_pair.items():
            for line in run.warnings:
                found.setdefault((name, line), []).append(pair)
    lines = [
        text
        for (name, line), pairs in found.items()
        for text in (
            [f"{name}: {line}"]
            if len(pairs) == len(runs) > 1
            else [f"{pair}, {name}: {line}" for pair in pairs]
        )
    ]
    if not all(run.peak_alone for of_pair in runs.values() for run in of_pair.values()):
        lines.append("peak_mib: this system keeps one peak for all runs, which only rises")
    return lines
