"""Does training on labels elsewhere beat no labels here? Supervised rows beside label-free ones.

    python benchmarks/supervised.py --data DATA -o OUT [--each] [--published] [--methods unet]

DATA holds the folders oscd, sztaki, levir and ombria. The cities of OSCD are parted into five
folds, or one each with --each; a U-Net and SeCo's decoder on a random encoder are trained on the
cities of the other folds, and measured on those of the fold, beside `default`, the closed form and
IR-MAD. Trained on all cities, they are measured on the other sets. With SeCo's weights imported,
`seco_pre` is a row, too. On two cores, alone, an hour; with --published, which trains as long as
was published, several; an interrupted run goes on with what it has. With --all-bands, 13 instead of
three, it is about those cities alone that have band files. OUT/supervised.md has the tables. OUT is
for one state of the code and one training.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ending import ended

from metriccd.benchmark import (
    benchmark,
    choose_entries,
    find_pairs,
    read_places,
    with_checkpoints,
)
from metriccd.benchmark.datasets import SENTINEL2, Pair
from metriccd.errors import DataError
from metriccd.methods import choose_device
from metriccd.result import versions
from metriccd.supervised import Training, installed_seco, train

# Each holds small and large cities.
FOLDS = (
    ("abudhabi", "cupertino", "paris"),
    ("aguasclaras", "hongkong", "pisa"),
    ("beihai", "mumbai", "rennes"),
    ("beirut", "nantes", "saclay_e"),
    ("bercy", "bordeaux"),
)
SETS = {"SZTAKI": "sztaki", "LEVIR": "plain", "OMBRIA": "plain"}
LABEL_FREE = ("default", "closed_form", "irmad")
FIGURES = ("f1", "ap", "auc")
# What two cores can do in minutes: fewer patches and epochs than were published.
SHORT = {
    "unet": {"epochs": 20, "patience": 20, "stride": 96},
    "seco_rand": {"epochs": 12, "patience": 12, "stride": 128},
    "seco_pre": {"epochs": 12, "patience": 12, "stride": 128},
}
# Place, or set → method → figures.
Found = dict[str, dict[str, Mapping[str, Any]]]


def trained(
    trainings: Sequence[Training], pairs: Sequence[Pair], folder: Path, name: str, device: str
) -> list[Path]:
    """A checkpoint of each method, taught by these pairs."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{each.method}-{name}.safetensors" for each in trainings]
    for training, path in zip(trainings, paths, strict=True):
        if path.is_file():
            continue
        start = time.monotonic()
        about = train(
            list(read_places(pairs)),
            path,
            training,
            dataset="oscd",
            versions=versions(),
            device=choose_device(device),
            tell=lambda each: print(
                f"  epoch {each.epoch} of {each.epochs}: held-out AP {each.ap:.3f}, at most "
                f"{each.seconds_left / 60:.0f} min left",
                flush=True,
            ),
        )
        print(f"{path.name}: {about.figures}, {time.monotonic() - start:.0f} s", flush=True)
    return paths


def measured(
    pairs: Sequence[Pair], dataset: str, methods: Sequence[str], paths: Sequence[Path], out: Path
) -> Found:
    """Figures of each method on each pair."""
    entries = with_checkpoints(choose_entries([*LABEL_FREE, *methods]), paths)
    board = benchmark(pairs, entries, out, dataset=dataset)
    found: Found = {}
    for row in board.rows():
        if row["scope"] == "pair":
            found.setdefault(row["pair"], {})[row["method"]] = row
    return found


def means(found: Found) -> dict[str, dict[str, float]]:
    """Means over the places whose reference holds change."""
    rows = [row for row in found.values() if next(iter(row.values()))["n_changed"]]
    return {
        method: {figure: sum(row[method][figure] for row in rows) / len(rows) for figure in FIGURES}
        for method in rows[0]
    }


def table(rows: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    """F1 / AP / AUC, a row a place and a column a method."""
    methods = list(next(iter(rows.values())))
    titles = [name if name in LABEL_FREE else f"{name} *(supervised)*" for name in methods]
    lines = [f"| | {' | '.join(titles)} |", f"|---|{'---|' * len(titles)}"]
    for name, row in rows.items():
        cells = (" / ".join(f"{row[method][each]:.3f}" for each in FIGURES) for method in methods)
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--each", action="store_true", help="leave one city out at a time")
    parser.add_argument("--published", action="store_true", help="train as long as was published")
    parser.add_argument("--methods", help="names with commas between them; all that can be had")
    parser.add_argument("--all-bands", action="store_true", help="13, of OSCD's cities alone")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto")
    told = parser.parse_args()
    methods = ["unet", "seco_rand", *(["seco_pre"] if installed_seco() else [])]
    if told.methods:
        methods = told.methods.split(",")
    shorter = {} if told.published else SHORT
    trainings = [
        replace(Training.of(method), seed=told.seed, **shorter.get(method, {}))
        for method in methods
    ]
    cities = find_pairs("oscd", told.data / "oscd", bands=SENTINEL2 if told.all_bands else None)
    folds = [(each.name,) for each in cities] if told.each or told.all_bands else FOLDS
    # What is not there shows before hours of training.
    missing = {city for fold in folds for city in fold} - {each.name for each in cities}
    if missing or len(folds) < 2:
        lacking = ", ".join(sorted(missing)) or "a second one"
        raise DataError(
            f"DATA/oscd must hold the cities to learn from: it lacks {lacking}; add them, or take "
            "what is there with --each"
        )
    tests = {} if told.all_bands else SETS
    sets = {name: find_pairs(each, told.data / name.lower()) for name, each in tests.items()}
    found: Found = {}
    for fold in folds:
        name = "+".join(fold)
        others = [each for each in cities if each.name not in fold]
        own = [each for each in cities if each.name in fold]
        kept = told.out / "checkpoints"
        paths = trained(trainings, others, kept, f"without-{name}", told.device)
        found |= measured(own, "oscd", methods, paths, told.out / f"oscd-{name}")
        print(table({city: found[city] for city in fold}), flush=True)
    found = dict(sorted(found.items()))
    parts = ["F1 (each method's own rule) / AP / AUC", table(found | {"**mean**": means(found)})]
    if sets:
        paths = trained(trainings, cities, told.out / "checkpoints", "all", told.device)
        rows = {
            name: means(measured(pairs, SETS[name], methods, paths, told.out / name.lower()))
            for name, pairs in sets.items()
        }
        parts.append(table(rows))
    (told.out / "supervised.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    print("\n\n".join(parts))


if __name__ == "__main__":
    ended(main)
