"""Sets of pairs to measure on in one run, named in a TOML file.

    [[sets]]
    name = "SZTAKI AirChange"
    dataset = "sztaki"
    root = "sztaki"
    directions = ["both", "appeared"]

Roots are relative to the file. `split`, `bands`, `skip` and `directions` may be left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metriccd.benchmark.ablation import read_toml
from metriccd.benchmark.datasets import DATASETS, Pair, find_pairs
from metriccd.errors import DataError
from metriccd.methods import DIRECTIONS, Direction

KEYS = ("name", "dataset", "root", "split", "bands", "skip", "directions")


@dataclass(frozen=True, kw_only=True)
class PairSet:
    """Pairs of one kind.

    Attributes:
        name: What tables call it.
        dataset: Key of `DATASETS`.
        split: Part of the data set.
        pairs: The pairs.
        directions: Of change, a row for each: "both", and "appeared" or "disappeared" where the
            references hold nothing else.
    """

    name: str
    dataset: str
    split: str
    pairs: tuple[Pair, ...]
    directions: tuple[Direction, ...]


def read_sets(path: Path) -> list[PairSet]:
    """The sets that a TOML file names.

    Raises:
        DataError: The file cannot be read, a key of it is wrong, or a data set is not there.
    """
    tables = read_toml(path, "sets of pairs").get("sets")
    if not isinstance(tables, list) or not tables:
        raise DataError(f"a file of sets must have [[sets]]: {path} has none; add one a data set")
    sets = [_pair_set(table, path) for table in tables]
    names = [each.name for each in sets]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise DataError(f"sets must have names of their own: {path} has {min(twice)!r} twice")
    return sets


def _pair_set(table: Any, path: Path) -> PairSet:
    if not isinstance(table, Mapping):
        raise DataError(f"each of [[sets]] must be a table: got {table!r} in {path}; correct it")
    wrong = [key for key in table if key not in KEYS]
    if wrong:
        raise DataError(f"a set has {', '.join(KEYS)}: got {wrong[0]!r} in {path}; correct it")
    for key in ("dataset", "root"):
        if not isinstance(table.get(key), str):
            raise DataError(f"a set must have a {key}: {path} has one without; name it")
    asked = _texts(table, "directions", path) or ["both"]
    directions = tuple(direction for direction in DIRECTIONS if direction in asked)
    if len(directions) < len(asked):
        raise DataError(f"directions are {', '.join(DIRECTIONS)}: got {', '.join(asked)} in {path}")
    dataset, split = table["dataset"], str(table.get("split", "all"))
    if dataset not in DATASETS:
        raise DataError(f"no data set {dataset!r} in {path}: choose from {', '.join(DATASETS)}")
    root = path.parent / table["root"]
    try:
        pairs = find_pairs(dataset, root, split=split, bands=_texts(table, "bands", path))
    except ValueError as error:
        raise DataError(f"{path}: {error}") from None
    skipped = set(_texts(table, "skip", path) or ())
    return PairSet(
        name=str(table.get("name", table["root"])),
        dataset=dataset,
        split=split,
        pairs=tuple(pair for pair in pairs if pair.name not in skipped),
        directions=directions,
    )


def _texts(table: Mapping[str, Any], key: str, path: Path) -> list[str] | None:
    """A list of texts; None where the key is not there."""
    values = table.get(key)
    if values is None:
        return None
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise DataError(f"{key} must be a list of texts: got {values!r} in {path}; correct it")
    return values
