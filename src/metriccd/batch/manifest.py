"""The manifest: which pairs a batch is of, and what is asked of each."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path, PurePath
from typing import Any, NoReturn

from metriccd.batch.collection import cut, read_collection
from metriccd.batch.table import read_table, wrong
from metriccd.errors import DataError, MetricCDError, OutputError
from metriccd.pair import placed_mask
from metriccd.trust import is_remote, placed, require_file

COLLECTIONS = {".json", ".geojson"}
# What every row says of its pair.
PAIR = ("id", "t1", "t2")
# Options that name files → what `detect_into` calls them. All others may be alike in many rows.
FILES = {"mask": "masks", "aoi": "aoi", "zones": "zones", "extractor": "extractor"}
# Another such file, alike in many rows: whether it must be there, the method says.
CHECKPOINT = "checkpoint"
# Characters of an id, which is the name of a folder on any system; and its bytes.
UNSAFE, LONGEST = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|]'), 120
RESERVED = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?", re.IGNORECASE)
# Rows of one manifest, which are held in memory, and sets of options that are kept at hand.
MOST, KEPT = 1_000_000, 1024
# Whole numbers of the user's own that a table holds as such.
MOST_BITS = 2**63
# How like an option a column of the user's own may be called: "region" is not "direction".
NEAR = 0.8


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """A pair, and what is asked of it.

    Attributes:
        number: Where it is in the manifest.
        id: Its name, and that of its folder.
        t1: First image.
        t2: Second image.
        shared: Arguments of `detect_into`, one mapping for all rows that ask the same.
        own: Those that name files.
        carried: What else the manifest says of it.
    """

    number: int
    id: str
    t1: str
    t2: str
    shared: Mapping[str, Any] = field(default_factory=dict)
    own: Mapping[str, Any] = field(default_factory=dict)
    carried: Mapping[str, Any] = field(default_factory=dict)

    @property
    def arguments(self) -> dict[str, Any]:
        """What `detect_into` is told beside the images."""
        return {**self.shared, **self.own}


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The pairs of a batch.

    Attributes:
        rows: One each.
        items: Files of STAC items that rows name and that are yet to be written, and their texts.
    """

    rows: Sequence[Row]
    items: Mapping[Path, str] = field(default_factory=dict, repr=False)

    def write_items(self) -> None:
        """Writes the files that rows name, but those that are there already.

        Raises:
            OutputError: They cannot be written.
        """
        try:
            for file, text in self.items.items():
                # As it is, an item keeps its date, and what was made of it stays known.
                if not file.is_file() or file.read_text(encoding="utf-8") != text:
                    file.parent.mkdir(parents=True, exist_ok=True)
                    file.write_text(text, encoding="utf-8")
        except OSError as error:
            raise OutputError(f"OUT must be writable: {error.filename}: {error.strerror}") from None


@dataclass(frozen=True, kw_only=True)
class Grammar:
    """How options of `detect` are written.

    Attributes:
        readers: Long name of an option, with underscores → what its text means.
        arguments: Options → arguments of `detect_into`.
        defaults: Options of all rows that do not say otherwise.
        apart: Options that only the command line has.
    """

    readers: Mapping[str, Callable[[str], Any]]
    arguments: Callable[[Mapping[str, Any]], dict[str, Any]]
    defaults: Mapping[str, Any] = field(default_factory=dict)
    apart: Sequence[str] = ()


def read_manifest(
    path: Path, grammar: Grammar, *, items: Path, allow_remote: bool = False
) -> Manifest:
    """The rows of a manifest: CSV, JSON Lines, Parquet, or a collection of STAC items.

    Args:
        path: The file; names in it are relative to its folder.
        grammar: How options are written.
        items: Folder for the items of a collection, each of which must be a file.
        allow_remote: Whether what it names may lie on other machines.

    Raises:
        DataError: It cannot be read, or a row is wrong: the message says which.
    """
    require_file(path)
    reader = _Reader(path=path, grammar=grammar, allow_remote=allow_remote)
    collection = path.suffix.lower() in COLLECTIONS
    texts: dict[Path, str] = {}
    table = read_collection(path, items, texts, allow_remote) if collection else read_table(path)
    rows = list(reader.rows(table))
    if not rows:
        raise DataError(f"a manifest must have rows: {path} has none; give a pair a row")
    return Manifest(rows=rows, items=texts)


@dataclass
class _Reader:
    """Turns what rows say into what is asked for.

    Attributes:
        path: The manifest.
        grammar: How options are written.
        allow_remote: Whether names may lead to other machines.
        names: Columns that were met: the option, or None for one that is carried along.
        ids: Ids that were met → rows.
        sets: Sets of options that were met → arguments.
    """

    path: Path
    grammar: Grammar
    allow_remote: bool
    names: dict[str, str | None] = field(default_factory=dict)
    ids: dict[str, int] = field(default_factory=dict)
    sets: dict[tuple[tuple[str, str], ...], dict[str, Any]] = field(default_factory=dict)

    @cached_property
    def folder(self) -> str:
        """The folder of the manifest, spelled alike from wherever it is named."""
        folder = self.path.parent.absolute()
        plain = os.path.normpath(folder)
        # What is finished is known by its names: "../pairs.csv" is no other manifest. After a link
        # ".." leads elsewhere.
        alike = Path(plain).is_dir() and Path(plain).samefile(folder)
        return plain if alike else str(folder)

    @cached_property
    def defaults(self) -> dict[str, Any]:
        """Options of all rows; files among them are relative to where we are, not so workers."""
        here = str(Path.cwd())
        said = {name: value for name, value in self.grammar.defaults.items() if value is not None}
        files = [name for name in (*FILES, CHECKPOINT) if name in said]
        return said | {name: _located(name, said[name], here) for name in files}

    def rows(self, table: Iterator[tuple[int, Mapping[str, Any]]]) -> Iterator[Row]:
        for number, said in table:
            if len(self.ids) == MOST:
                self.wrong(number, f"is beyond {MOST:,} rows", "split the manifest")
            yield self.row(number, said)

    def row(self, number: int, said: Mapping[str, Any]) -> Row:
        for name in said:
            if name not in self.names:
                self.names[name] = self.option(number, name)
        t1, t2 = (self.image(number, said, name) for name in ("t1", "t2"))
        asked = {
            option: self.text(number, name, value)
            for name, value in said.items()
            if (option := self.names[name]) and option not in PAIR
        }
        carried = {
            _text(name): value if isinstance(value, float | bool) else _plain(value)
            for name, value in said.items()
            if self.names[name] is None
        }
        shared = self.shared(number, {k: v for k, v in asked.items() if k not in FILES})
        own = {
            FILES[name]: self.files(number, name, value)
            for name, value in asked.items()
            if name in FILES
        }
        name = self.id(number, said, t1, t2)
        return Row(number=number, id=name, t1=t1, t2=t2, shared=shared, own=own, carried=carried)

    def option(self, number: int, column: str) -> str | None:
        """What a column is: an option, or None where it is the user's own."""
        name = column.strip().lower().lstrip("-").replace("-", "_")
        known = (*PAIR, *self.grammar.readers)
        if name in known:
            if name in self.names.values():
                self.wrong(number, f"two columns mean {name!r}", "leave one of them out")
            return name
        apart = self.grammar.apart
        near = get_close_matches(name, (*known, *apart), n=1, cutoff=NEAR)
        if near and near[0] in apart:
            what = f"{column!r} is said on the command line only"
            self.wrong(number, what, "leave the column out, or name one of your own otherwise")
        if near:
            what = f"no option {column!r} (did you mean {near[0]}?)"
            self.wrong(number, what, "correct it, or name a column of your own otherwise")
        return None

    def text(self, number: int, name: str, value: Any) -> str:
        """A cell as people would type it."""
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, list | tuple):
            return (";" if name == "mask" else ",").join(str(each) for each in value)
        if isinstance(value, dict):
            self.wrong(
                number, f"{name} must be text or a number: got an object", "write it as text"
            )
        if isinstance(value, float) and value.is_integer():
            # Columns of Parquet that lack a value are floats, whatever they count.
            return str(int(value))
        return str(value)

    def shared(self, number: int, asked: Mapping[str, str]) -> dict[str, Any]:
        key = tuple(sorted(asked.items()))
        if key not in self.sets:
            if len(self.sets) == KEPT:
                self.sets.clear()
            said = dict(self.defaults)
            for name, text in asked.items():
                said[name] = (self.files if name == CHECKPOINT else self.read)(number, name, text)
            try:
                self.sets[key] = self.grammar.arguments(said)
            except (ValueError, MetricCDError) as error:
                self.wrong(number, str(error), "check the row and the options of the command")
        return self.sets[key]

    def read(self, number: int, name: str, text: str) -> Any:
        try:
            return self.grammar.readers[name](text)
        except ValueError as error:
            self.wrong(number, f"{name} {error}", "see metriccd detect --help")

    def files(self, number: int, name: str, text: str) -> Any:
        """What an option that names files means; masks are several."""
        value = self.read(number, name, text)
        for each in value if name == "mask" else [value]:
            self.require_name(number, each)
        return _located(name, value, self.folder)

    def image(self, number: int, said: Mapping[str, Any], name: str) -> str:
        value = next((said[column] for column in said if self.names[column] == name), None)
        if value is None:
            columns = ", ".join(list(said)[:6]) or "empty cells"
            self.wrong(number, f"has no {name}, only {columns}", "fill in both images, t1 and t2")
        if not isinstance(value, str):
            self.wrong(number, f"{name} must be a path: got {value}", "give a file's name")
        self.require_name(number, value)
        return placed(value, self.folder)

    def require_name(self, number: int, name: str) -> None:
        """Refuses what is on another machine, and what is no name.

        Raises:
            DataError: It is.
        """
        if "\0" in name or "\n" in name:
            self.wrong(number, f"a name must be one line of text: got {name!r}", "rename the file")
        try:
            name.encode()
        except UnicodeEncodeError:
            self.wrong(number, f"a name must be UTF-8: got {name!r}", "rename the file")
        if is_remote(name) and not self.allow_remote:
            shown = name.split("?", maxsplit=1)[0][:200]
            self.wrong(
                number, f"names another machine: {shown}", "add --allow-remote if that is right"
            )

    def id(self, number: int, said: Mapping[str, Any], t1: str, t2: str) -> str:
        named = [value for column, value in said.items() if self.names[column] == "id"]
        name = self.text(number, "id", named[0]).strip() if named else made_id(t1, t2)
        fault = _unsafe(name)
        if fault:
            self.wrong(number, f"an id is the name of a folder: {name[:80]!r} {fault}", "rename it")
        # Names that differ by case or composition are one folder on some systems.
        known = unicodedata.normalize("NFC", name).casefold()
        if known in self.ids:
            what = f"has the id {name!r} of row {self.ids[known]}, whatever the case of letters"
            self.wrong(number, what, "give each pair its own, in a column id")
        self.ids[known] = number
        return name

    def wrong(self, number: int, what: str, remedy: str) -> NoReturn:
        wrong(self.path, number, what, remedy)


def _located(option: str, value: Any, folder: str) -> Any:
    """What an option that names files means in a folder, seen from anywhere."""
    if option == "mask":
        return [placed_mask(each, folder) for each in value]
    place = placed(value, folder)
    return place if option != "extractor" or Path(place).exists() else value


def _plain(value: Any) -> str | int:
    """A cell of the user's own as a summary can hold it: text, or a number of 64 bits."""
    return value if isinstance(value, int) and -MOST_BITS <= value < MOST_BITS else _text(value)


def _text(value: Any) -> str:
    """Text as UTF-8 can hold it: JSON may have halves of characters."""
    return str(value).encode("utf-8", "backslashreplace").decode()


def made_id(t1: str, t2: str) -> str:
    """An id of two images' names: a.tif and b.tif are a-b, and two of one name are that name."""
    stems = [UNSAFE.sub("_", PurePath(name.split("?")[0]).name).split(".")[0] for name in (t1, t2)]
    name = cut("-".join(dict.fromkeys(stems)), LONGEST) or "pair"
    return f"pair-{name}" if RESERVED.fullmatch(name) else name


def _unsafe(name: str) -> str | None:
    """What is wrong with the name of a folder; None where nothing is."""
    if not name or name != name.strip() or name.startswith((".", "-")) or name.endswith("."):
        return "is empty, or begins or ends with a dot, a dash or a space"
    if UNSAFE.search(name):
        return f"has the character {UNSAFE.search(name)[0]!r}"  # type: ignore[index]
    if RESERVED.fullmatch(name):
        return "is reserved on Windows"
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        return "is not UTF-8"
    return f"has {size} bytes, more than {LONGEST}" if size > LONGEST else None
