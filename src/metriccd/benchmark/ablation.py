"""Ablations: grids of presets that differ in a few settings, read from TOML.

A grid names a preset, settings that all of its rows share, and what each row changes:

    preset = "paper"
    steps = 40

    [[rows]]
    name = "no consistency"
    terms = ["image", "feature", "balance"]

Settings are those of `Preset` and of the parts it is made of, such as `FitSettings`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import is_dataclass, replace
from importlib import resources
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from metriccd.errors import DataError, one_line
from metriccd.methods import Preset, choose_preset
from metriccd.nets import GENERATORS
from metriccd.trust import require_file

# The paper's ablations, ready to run.
READY = ("table2", "table3", "table4")
# Bytes of a file: reading it takes time that grows with the square of what is nested in it.
LARGEST = 20_000
# Smallest values of numbers.
_NUMBERS = {"color_factor": 1, "steps": 1, "learning_rate": 0, "alpha": 0}


def read_grid(source: str | Path) -> dict[str, Preset]:
    """The rows of a grid: name → what runs.

    Args:
        source: "table2" (generators), "table3" (loss terms), "table4" (feature levels), or a
            TOML file.

    Raises:
        DataError: No such grid, or one that cannot be read, in one line.
    """
    content = _content(source)
    rows = content.pop("rows", None)
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise DataError(f"a grid must have [[rows]]: {source} has none; add one for each variant")
    grid: dict[str, Preset] = {}
    for number, row in enumerate(rows, 1):
        name = row.pop("name", None)
        if not isinstance(name, str) or not name or name in grid:
            raise DataError(
                f"each row of a grid must have a name of its own: row {number} of {source} has "
                f"{name!r}; name it"
            )
        try:
            grid[name] = preset_of(content | row)
        except ValueError as error:
            raise DataError(f"{source}, row {name!r}: {error}") from None
    return grid


def preset_of(settings: Mapping[str, Any]) -> Preset:
    """A preset with some settings changed.

    Args:
        settings: Name → value as TOML has it; "preset" names the one to start from ("default"),
            and "method" another method, which decides by its own rule unless a threshold is set.

    Raises:
        ValueError: No such setting, or a value it cannot have.
    """
    values = dict(settings)
    start, method = values.pop("preset", "default"), values.pop("method", None)
    fields = _known()
    for name, value in values.items():
        if name not in fields:
            raise ValueError(
                f"a grid sets preset, method, {', '.join(fields)}: got {name!r}; correct its name"
            )
        values[name] = _checked(name, _converted(name, value, fields[name][1]))
    threshold = values.get("threshold", "auto")
    preset = choose_preset(str(start), None if method is None else str(method), threshold)
    if threshold == "auto":
        values.pop("threshold", None)
    for name, value in values.items():
        part, change = fields[name][0], {name: value}
        if part is not None:
            inner = {name.removeprefix(f"{part}_"): value}
            change = {part: replace(getattr(preset, part), **inner)}
        preset = replace(preset, **change)
    return preset


def _content(source: str | Path) -> dict[str, Any]:
    if str(source) in READY:
        text = (resources.files("metriccd.benchmark") / "grids" / f"{source}.toml").read_text(
            "utf-8"
        )
        return tomllib.loads(text)
    if not Path(source).exists():
        raise DataError(
            f"a grid is {', '.join(READY)} or a TOML file: got {source}; check the path"
        )
    return read_toml(Path(source), "a grid")


def read_toml(path: Path, what: str) -> dict[str, Any]:
    """What a TOML file holds.

    Raises:
        DataError: It cannot be read, or is larger or deeper than anybody writes.
    """
    require_file(path)
    if path.is_file() and path.stat().st_size > LARGEST:
        raise DataError(
            f"{what} must be a TOML file of at most {LARGEST:,} bytes: {path} takes more; part it"
        )
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or one_line(str(error), 200)
        raise DataError(f"{what} must be a TOML file: {path}: {reason}; correct it") from None


def _known() -> dict[str, tuple[str | None, Any]]:
    """Every setting: name → the part of a preset that holds it, if it is a part, and its type.

    A name that two parts share is that of the first; the second's is "part_name".
    """
    fields: dict[str, tuple[str | None, Any]] = {}
    for name, kind in get_type_hints(Preset).items():
        if is_dataclass(kind):
            parts = get_type_hints(kind).items()
            fields |= {
                f"{name}_{inner}" if inner in fields else inner: (name, field_type)
                for inner, field_type in parts
            }
        elif name != "method":
            fields[name] = (None, kind)
    return fields


def _converted(name: str, value: Any, kind: Any) -> Any:
    """A value of TOML as the type that a setting has.

    Raises:
        ValueError: It is none.
    """
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Literal and value in inner and isinstance(value, str):
        return value
    if origin in {Union, UnionType}:
        for option in inner:
            try:
                return _converted(name, value, option)
            except ValueError:
                continue
    if origin in {tuple, frozenset} and isinstance(value, list):
        return origin(_converted(name, item, inner[0]) for item in value)
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if kind in {str, bool, int} and type(value) is kind:
        return value
    raise ValueError(f"{name} must be {_described(kind)}: got {value!r}; correct it")


def _checked(name: str, value: Any) -> Any:
    """A value of the right type that the setting can have.

    Raises:
        ValueError: It cannot.
    """
    if name == "generator" and value not in GENERATORS:
        raise ValueError(f"no generator {value!r}: choose from {', '.join(GENERATORS)}")
    if name == "levels" and (list(value) != sorted(set(value)) or not {*value} <= {1, 2, 3, 4}):
        raise ValueError(f"levels must be rising numbers of 1 to 4: got {list(value)}")
    if name in {"levels", "terms"} and not value:
        raise ValueError(f"{name} must name at least one: got none")
    if name in _NUMBERS and value < _NUMBERS[name]:
        raise ValueError(f"{name} must be at least {_NUMBERS[name]}: got {value}")
    return value


def _described(kind: Any) -> str:
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Literal:
        return " or ".join(repr(option) for option in inner)
    if origin in {Union, UnionType}:
        return " or ".join(_described(option) for option in inner)
    if origin in {tuple, frozenset}:
        return f"a list of {_described(inner[0])}"
    names = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}
    return names.get(kind, str(kind))
