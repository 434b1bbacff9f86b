"""What VRTs, and headers beside images, name: read by a parser that knows no entities."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

from metriccd.errors import DataError

MAX_SOURCES, MAX_ELEMENTS, MAX_BYTES, CHUNK = 100_000, 2_000_000, 2**27, 2**20
# GDAL looks for the word in the first kilobyte, which it takes for text: up to the first zero.
HEAD, WORD = 2**15, b"<VRTDataset"
# Elements and attributes, and keys of metadata, whose text is a name; in lower case, as GDAL's own
# parser does not tell cases apart, nor attributes from elements.
NAMES = {"sourcefilename", "sourcedataset", "dempath", "cutlineds", "srcds"}
KEYS = {"overview_file", "x_dataset", "y_dataset"}
LANGUAGE, RELATIVE, BASE = "pixelfunctionlanguage", "relativetovrt", ":::BASE:::"
ATTRIBUTES = NAMES | {LANGUAGE}
ELEMENTS = ATTRIBUTES | {"mdi", "argument"}


@dataclass(frozen=True, kw_only=True)
class Source:
    """A name that a file gives.

    Attributes:
        name: As it stands there.
        relative: Whether it is relative to the folder of the file; else to where we are.
    """

    name: str
    relative: bool = False


def is_vrt(path: Path) -> bool:
    """Whether GDAL would take a file for a VRT."""
    try:
        with path.open("rb") as stream:
            return WORD in stream.read(HEAD).partition(b"\0")[0]
    except OSError:
        return False


def sources_of(path: Path) -> list[Source]:
    """All that a VRT names, also in what it says of warping, sharpening and places.

    Raises:
        DataError: It is no XML, has entities, too many sources, or code in Python.
    """
    try:
        return _read(path)
    except expat.ExpatError as error:
        raise DataError(f"a VRT must be XML: {path}: {error}; make it again") from None


def named_beside(path: Path) -> list[Source]:
    """What the header beside an image, a.tif.aux.xml, names.

    Raises:
        DataError: It names something and is no XML.
    """
    header = path.with_name(f"{path.name}.aux.xml")
    if not header.is_file():
        return []
    try:
        return _read(header)
    except expat.ExpatError as error:
        # GDAL's own parser forgives much.
        if any(key in header.read_bytes().lower() for key in map(str.encode, KEYS)):
            raise DataError(f"a header must be XML: {header}: {error}; remove it") from None
        return []


def _read(path: Path) -> list[Source]:
    if path.stat().st_size > MAX_BYTES:
        raise DataError(
            f"a VRT must be of at most {MAX_BYTES >> 20} MiB: {path} is larger; make one file of "
            "it with gdal_translate"
        )
    reader = _Reader(path=path)
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = reader.refuse_entities
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.CommentHandler = reader.part
    parser.ProcessingInstructionHandler = reader.part
    parser.StartCdataSectionHandler = parser.EndCdataSectionHandler = reader.part
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            parser.Parse(chunk)
    parser.Parse(b"", True)
    return reader.found


@dataclass(kw_only=True)
class _Reader:
    """Gathers names while a file is parsed."""

    path: Path
    elements: int = 0
    found: list[Source] = field(default_factory=list)
    within: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def refuse_entities(self, *_: object) -> None:
        raise DataError(f"a VRT must have no document type: {self.path} has one; remove it")

    def start(self, element: str, attributes: dict[str, str]) -> None:
        said = {name.lower(): value for name, value in attributes.items()}
        self.within.append((element.lower(), said))
        self.elements += 1
        if self.elements > MAX_ELEMENTS:
            raise too_many(self.path)
        for name in said.keys() & ATTRIBUTES:
            self._add(name, {}, said[name])

    def end(self, _: str) -> None:
        self.within.pop()

    def part(self, *_: str) -> None:
        """Texts on both sides of this are two for GDAL; that it is handled at all parts them."""

    def text(self, text: str) -> None:
        if self.within and self.within[-1][0] in ELEMENTS and text.strip():
            self._add(*self.within[-1], text)

    def _add(self, kind: str, said: dict[str, str], text: str) -> None:
        if kind == LANGUAGE and text.strip().lower() == "python":
            raise DataError(
                f"a VRT must hold no program: {self.path} has pixel functions in Python; make a "
                "file of it where you trust it, with gdal_translate"
            )
        key = said.get("key", "").lower() in KEYS if kind == "mdi" else False
        argument = kind == "argument" and "filename" in said.get("name", "").lower()
        if not (kind in NAMES or key or argument):
            return
        number = re.match(r"\s*[+-]?0*(\d)", said.get(RELATIVE, "0"))
        relative = number is not None and number[1] != "0"
        name = text.strip()
        relative |= name.startswith(BASE)
        self.found.append(Source(name=name.removeprefix(BASE), relative=relative))
        if len(self.found) > MAX_SOURCES:
            raise too_many(self.path)


def too_many(path: Path) -> DataError:
    """The error for a VRT of more sources than are looked through for each window."""
    return DataError(
        f"a VRT must have at most {MAX_SOURCES:,} sources in all: {path} has more; make one file "
        "of them with gdal_translate"
    )
