"""Kinds of change against references: what `detect --kinds` gives beside all change.

    python benchmarks/kinds.py ROOT [--preset fast] > kinds.md

ROOT holds `ombria`, `oscd` and `levir`. No reference chooses anything. AP ranks pixels of other
kinds lowest; F1 is of the change map. Means over pairs whose reference has change.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

import metriccd as mcd
from metriccd.accuracy import Confusion, Ranking, Scores, read_reference
from metriccd.benchmark import find_pairs
from metriccd.detection import detect
from metriccd.kinds import map_kinds, wanted_kinds
from metriccd.pair import ArrayPair, read_pair
from metriccd.raster import Window
from metriccd.scene import Memory, finished
from metriccd.stages import Stages

# Data set, layout, its bands, what they are, and the kinds asked for.
SETS = (
    ("ombria", "plain", None, ("swir1", "nir", "green"), "water-gained"),
    ("oscd", "oscd", ("B04", "B03", "B02", "B08"), ("red", "green", "blue", "nir"), "!seasonal"),
    ("levir", "plain", None, ("red", "green", "blue"), "built"),
)


def figures_of(
    values: np.ndarray, change: np.ndarray, changed: np.ndarray, judged: np.ndarray
) -> Scores:
    """Figures of a score and a change map on the pixels that are judged."""
    ranking = Ranking()
    ranking.update(values, changed, judged)
    return Scores.of(Confusion.from_maps(change, changed, judged), ranking)


def score_of(change: mcd.Change) -> Callable[[Window], np.ndarray]:
    """The score of a window, as `detect` hands it to the kinds."""
    return lambda window: change.score[window.slices]


def measured(root: Path, which: tuple, preset: str) -> Iterator[tuple[str, Scores, Scores]]:
    """Name, figures of all change and of the kinds asked for, pair by pair."""
    name, layout, bands, roles, asked = which
    for pair in find_pairs(layout, root / name, bands=bands):
        change = detect(pair.t1, pair.t2, preset=preset, bands=bands)
        changed, known = read_reference(pair.reference, change.grid)
        block = read_pair(pair.t1, pair.t2, bands=bands).load()
        passes = map_kinds(
            ArrayPair(block=block),
            {role: position for position, role in enumerate(roles)},
            Memory(),
            wanted=wanted_kinds(asked),
            score=score_of(change),
        )
        kinds = finished(passes, Stages())
        window = Window.whole(change.grid.shape)
        found, ranked = kinds.decided(window, change.score, change.threshold)
        if kinds.strength is None:
            ranked = np.where(np.isin(kinds.read(window), kinds.wanted.values), ranked, 0)
        judged = change.valid & known
        if (changed & judged).any():
            every = figures_of(change.score, change.map, changed, judged)
            yield pair.name, every, figures_of(ranked, found, changed, judged)


def main() -> None:
    """Prints a table of means, and one of each city."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path)
    parser.add_argument("--preset", default="fast")
    parser.add_argument("--sets", default="ombria,oscd,levir")
    given = parser.parse_args()
    print("| set | kinds | pairs | AP all | AP kinds | F1 all | F1 kinds |")
    print("|---|---|---:|---:|---:|---:|---:|")
    for which in (each for each in SETS if each[0] in given.sets.split(",")):
        rows = list(measured(given.root, which, given.preset))
        groups = {which[0]: rows}
        for name, every, asked in rows:
            key = name.split("_")[0] if which[0] == "ombria" else name
            if which[0] != "levir":
                groups.setdefault(f"{which[0]}, {key}", []).append((name, every, asked))
        for group, members in groups.items():
            figures = [
                float(np.mean([getattr(row[column], figure) for row in members]))
                for figure in ("ap", "f1")
                for column in (1, 2)
            ]
            cells = " | ".join(f"{figure:.3f}" for figure in figures)
            print(f"| {group} | {which[4]} | {len(members)} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
