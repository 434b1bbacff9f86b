"""Tables of rows: CSV, JSON Lines and Parquet, read one row after the other."""

from __future__ import annotations

import csv
import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn

from metriccd.errors import DataError

LINES = {".jsonl", ".ndjson", ".jsonlines"}
PARQUET = {".parquet", ".geoparquet", ".pq"}
# A row that is longer is no row, but another file: what is read of it must fit into memory.
LONGEST = 1 << 20
NO_PYARROW = "a manifest in Parquet needs pyarrow: pip install 'metriccd[batch]', or give a CSV"

# Where a row is, for people, and what it says.
Rows = Iterator[tuple[int, Mapping[str, Any]]]


def read_table(path: Path) -> Rows:
    """Rows of a table with their numbers, as people count them in the file.

    Of a CSV and of JSON Lines that is the line, of Parquet the row, each from 1. Empty cells, null
    and empty lines are left out.

    Raises:
        DataError: The file cannot be read, or a row is no row.
    """
    kind = path.suffix.lower()
    reader = _lines if kind in LINES else _parquet if kind in PARQUET else _cells
    try:
        yield from reader(path)
    except UnicodeDecodeError:
        wrong(path, _undecodable(path), "is not UTF-8", "save the file as UTF-8")
    except FileNotFoundError:
        raise DataError(f"the manifest must exist: {path} was not found; check the path") from None
    except OSError as error:
        reason = error.strerror or str(error).splitlines()[0]
        raise DataError(f"the manifest must be readable: {path}: {reason[:200]}") from None


def wrong(path: Path, number: int, what: str, remedy: str) -> NoReturn:
    """Ends the reading of a manifest at a row.

    Raises:
        DataError: Always.
    """
    raise DataError(f"{path.name}, row {number}: {what[:380]}; {remedy}")


def _cells(path: Path) -> Rows:
    csv.field_size_limit(LONGEST)
    with path.open(encoding="utf-8-sig", newline="") as stream:
        first = stream.readline(LONGEST)
        stream.seek(0)
        rows = csv.reader(stream, delimiter=_delimiter(first), strict=True)
        try:
            header = [name.strip() for name in next(rows, [])]
            repeated = {name for name, count in Counter(header).items() if name and count > 1}
            if repeated:
                wrong(path, 1, f"two columns are called {min(repeated)!r}", "rename one")
            for cells in rows:
                if not any(cells):
                    continue
                if len(cells) != len(header):
                    found = f"has {len(cells)} cells and the header has {len(header)}"
                    wrong(path, rows.line_num, found, 'put cells that hold commas in "quotes"')
                row = {
                    name: text
                    for name, cell in zip(header, cells, strict=True)
                    if name and (text := cell.strip())
                }
                yield rows.line_num, row
        except csv.Error as error:
            wrong(path, rows.line_num, str(error), "check the quotes")


def _delimiter(header: str) -> str:
    """What parts the columns t1 and t2 of a header; a comma where nothing does."""
    for mark in (",", "\t", ";"):
        if {"t1", "t2"} <= {name.strip(' "\r\n\ufeff') for name in header.split(mark)}:
            return mark
    return ","


def _lines(path: Path) -> Rows:
    with path.open(encoding="utf-8-sig") as stream:
        number = 0
        while line := stream.readline(LONGEST):
            number += 1
            if len(line) == LONGEST:
                wrong(path, number, f"is longer than {LONGEST:,} characters", "one row a line")
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                reason = str(error).splitlines()[0]
                wrong(path, number, f"is no JSON: {reason}", "give one JSON object a line")
            if not isinstance(row, dict):
                found = f"is a JSON {type(row).__name__}"
                wrong(path, number, found, 'give objects: {"t1": "a.tif", "t2": "b.tif"}')
            yield number, {name: value for name, value in row.items() if not _empty(value)}


def _parquet(path: Path) -> Rows:
    if find_spec("pyarrow") is None:
        raise DataError(NO_PYARROW)
    import pyarrow as pa  # noqa: PLC0415 — an extra
    from pyarrow import parquet  # noqa: PLC0415

    try:
        with parquet.ParquetFile(path) as file:
            # Geometries are bytes.
            names = [each.name for each in file.schema_arrow if not pa.types.is_binary(each.type)]
            number = 0
            for part in file.iter_batches(batch_size=4096, columns=names):
                for row in part.to_pylist():
                    number += 1
                    found = {name: value for name, value in row.items() if not _empty(value)}
                    if found:
                        yield number, found
    except pa.ArrowException as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"the manifest must be Parquet: {path}: {reason[:200]}") from None


def _empty(value: Any) -> bool:
    return value is None or value == "" or (isinstance(value, float) and math.isnan(value))


def _undecodable(path: Path) -> int:
    """The first line that is not UTF-8."""
    with path.open("rb") as stream:
        number = 0
        while line := stream.readline(LONGEST):
            number += 1
            try:
                line.decode()
            except UnicodeDecodeError:
                return number
    return 1
