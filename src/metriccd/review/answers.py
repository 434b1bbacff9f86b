"""Answers: `review.gpkg`, in which each is on disk before the next one is asked."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import RLock
from types import MappingProxyType

import numpy as np
import shapely

from metriccd.errors import DataError, OutputError
from metriccd.kinds import KINDS
from metriccd.output import earlier_path
from metriccd.review.geometry import blob_of, shape_of, signatures
from metriccd.review.objects import POLYGONS, Objects
from metriccd.review.order import AREA, CHOSEN, FIRST, OBJECT, How

REVIEW = "review.gpkg"
ACCEPTED, REJECTED, RELABELED = "accepted", "rejected", "relabeled"
# What can be answered: change of the kind that is told, no change, change of another kind.
ANSWERS = (ACCEPTED, REJECTED, RELABELED)
HOW: tuple[How, ...] = (FIRST, OBJECT, AREA, CHOSEN)
# Seconds to wait for another program that holds the file: it writes for less, or keeps it.
BUSY = 3.0
# Seconds to wait for a file that an earlier result still has, and in which one comes back that
# `threshold` carries from an old result to the new one.
WAIT, MOVED = 10.0, 1.0
# "GPKG", and version 1.2, which all programs read.
APPLICATION, VERSION = 0x47504B47, 10200

TABLES = """
CREATE TABLE gpkg_spatial_ref_sys (
  srs_name TEXT NOT NULL, srs_id INTEGER NOT NULL PRIMARY KEY, organization TEXT NOT NULL,
  organization_coordsys_id INTEGER NOT NULL, definition TEXT NOT NULL, description TEXT);
CREATE TABLE gpkg_contents (
  table_name TEXT NOT NULL PRIMARY KEY, data_type TEXT NOT NULL, identifier TEXT UNIQUE,
  description TEXT DEFAULT '',
  last_change DATETIME NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  min_x DOUBLE, min_y DOUBLE, max_x DOUBLE, max_y DOUBLE, srs_id INTEGER,
  CONSTRAINT fk_gc_r_srs_id FOREIGN KEY (srs_id) REFERENCES gpkg_spatial_ref_sys(srs_id));
CREATE TABLE gpkg_geometry_columns (
  table_name TEXT NOT NULL, column_name TEXT NOT NULL, geometry_type_name TEXT NOT NULL,
  srs_id INTEGER NOT NULL, z TINYINT NOT NULL, m TINYINT NOT NULL,
  CONSTRAINT pk_geom_cols PRIMARY KEY (table_name, column_name),
  CONSTRAINT uk_gc_table_name UNIQUE (table_name),
  CONSTRAINT fk_gc_tn FOREIGN KEY (table_name) REFERENCES gpkg_contents(table_name),
  CONSTRAINT fk_gc_srs FOREIGN KEY (srs_id) REFERENCES gpkg_spatial_ref_sys(srs_id));
CREATE TABLE review (
  fid INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, geom GEOMETRY, object INTEGER UNIQUE,
  answer TEXT NOT NULL, kind TEXT, how TEXT NOT NULL, time DATETIME NOT NULL);
CREATE TABLE history (
  fid INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, review INTEGER NOT NULL,
  answer TEXT NOT NULL, kind TEXT, how TEXT NOT NULL, time DATETIME NOT NULL)
"""


@dataclass(frozen=True, kw_only=True)
class Given:
    """An answer.

    Attributes:
        answer: One of `ANSWERS`.
        kind: What the object is, where that is known.
        how: How it came to be answered.
        time: When, ISO 8601, UTC.
    """

    answer: str
    kind: str | None
    how: How
    time: str


class Answers:
    """The answers in a folder, read again whenever another program has written them.

    An answer belongs to an outline. Where the objects were found anew, by another threshold, those
    with the same outline keep theirs; the others stay in the file, and wait there.
    """

    def __init__(self, folder: Path, objects: Objects, *, pixel: float) -> None:
        """Answers of the objects of a result.

        Args:
            folder: Of the result.
            objects: Its objects.
            pixel: Side of a pixel in units of the coordinates.
        """
        self.path = folder / REVIEW
        self._folder, self._objects, self._pixel = folder, objects, pixel
        self._lock, self._stamp = RLock(), _stamp(self.path)
        self._given: dict[int, Given] = {}
        self._strays = 0
        self._load()

    @property
    def given(self) -> Mapping[int, Given]:
        """Answers by the object's place in its columns, the earliest first.

        Raises:
            DataError: The file is no longer one of ours.
        """
        with self._lock:
            if _stamp(self.path) != self._stamp:
                self._load()
            return MappingProxyType(self._given.copy())

    @property
    def strays(self) -> int:
        """How many answers belong to outlines that no object has now."""
        return self._strays

    def give(self, place: int, answer: str, *, kind: str | None, how: How) -> None:
        """Writes an answer; when this returns it is on disk.

        Args:
            place: Of the object.
            answer: One of `ANSWERS`.
            kind: The kind that it is, of `KINDS`, where it is relabeled.
            how: How it came to be answered.

        Raises:
            ValueError: There is no such answer or kind.
            OutputError: The file cannot be written.
        """
        if answer not in ANSWERS or how not in HOW:
            raise ValueError(f"an answer must be one of {', '.join(ANSWERS)}: got {answer!r}")
        if (answer == RELABELED) != (kind is not None) or not (kind is None or kind in KINDS):
            raise ValueError(f"relabeled, and nothing else, goes with a kind: got {kind!r}")
        told = self._objects.kind(place) if kind is None else kind
        given = Given(answer=answer, kind=told, how=how, time=_now())
        values = (given.answer, given.kind, given.how, given.time)
        with self._lock:
            with self._writing() as base:
                # From here on nobody else writes.
                alone = _stamp(self.path) == self._stamp
                self._write(base, place, values)
            if alone:
                self._given.pop(place, None)
                self._given[place] = given
                self._stamp = _stamp(self.path)
            else:
                self._load()

    def _write(
        self, base: sqlite3.Connection, place: int, values: tuple[str, str | None, str, str]
    ) -> None:
        """Writes what an object is answered, how and when, and that it was."""
        number = int(self._objects.ids[place])
        found = base.execute("SELECT fid FROM review WHERE object = ?", (number,)).fetchone()
        if found is None:
            geometry = blob_of(self._objects.shapes[place], self._srs(base))
            row = base.execute(
                "INSERT INTO review (answer, kind, how, time, object, geom) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                (*values, number, geometry),
            ).lastrowid
        else:
            (row,) = found
            base.execute(
                "UPDATE review SET answer = ?, kind = ?, how = ?, time = ? WHERE fid = ?",
                (*values, row),
            )
        base.execute(
            "INSERT INTO history (answer, kind, how, time, review) VALUES (?, ?, ?, ?, ?)",
            (*values, row),
        )

    def undo(self) -> int | None:
        """Takes the last answer back; what the object had before is its answer again.

        Returns:
            The object's place; None where there is nothing to take back.

        Raises:
            OutputError: The file cannot be written.
        """
        if not self._there():
            return None
        with self._lock, self._writing() as base:
            last = base.execute(
                "SELECT h.fid, h.review, r.object FROM history h LEFT JOIN review r "
                "ON r.fid = h.review ORDER BY h.fid DESC LIMIT 1"
            ).fetchone()
            if last is None:
                return None
            number, row, found = last
            base.execute("DELETE FROM history WHERE fid = ?", (number,))
            before = base.execute(
                "SELECT answer, kind, how, time FROM history WHERE review = ? "
                "ORDER BY fid DESC LIMIT 1",
                (row,),
            ).fetchone()
            if before is None:
                base.execute("DELETE FROM review WHERE fid = ?", (row,))
            else:
                base.execute(
                    "UPDATE review SET answer = ?, kind = ?, how = ?, time = ? WHERE fid = ?",
                    (*before, row),
                )
        self._load()
        return self._objects.places.get(found) if found is not None else None

    def _there(self) -> bool:
        """Whether there is a file; one that a kill left empty is not yet one.

        Raises:
            DataError: It is a link, a folder or no file otherwise.
        """
        if self.path.is_symlink() or (self.path.exists() and not self.path.is_file()):
            raise DataError(
                f"{REVIEW} must be a file: that of {self._folder} is a link, or none; move it away"
            )
        return self.path.is_file() and self.path.stat().st_size > 0

    def _is_new(self) -> bool:
        """Whether there is no file yet; one may be on its way from an earlier result to this."""
        earlier, start = earlier_path(self._folder) / REVIEW, time.monotonic()
        while True:
            seconds = WAIT if earlier.is_file() else MOVED * (self._stamp is not None)
            if self._there():
                return False
            if time.monotonic() - start >= seconds:
                return True
            time.sleep(MOVED / 50)

    def _load(self) -> None:
        """Reads the file, and gives answers to the objects that have their outlines.

        Raises:
            DataError: It is no file of ours.
        """
        with self._lock:
            self._given, self._strays = {}, 0
            if self._there():
                with self._opened() as base:
                    rows = base.execute(
                        "SELECT fid, object, answer, kind, how, time, geom FROM review "
                        "ORDER BY time, fid"
                    ).fetchall()
                places = self._placed([row[1] for row in rows], [row[6] for row in rows])
                if any(
                    row[1] != (None if place is None else int(self._objects.ids[place]))
                    for row, place in zip(rows, places, strict=True)
                ):
                    self._renumber([row[0] for row in rows], places)
                for row, place in zip(rows, places, strict=True):
                    if place is None or row[2] not in ANSWERS:
                        self._strays += 1
                        continue
                    how = next((each for each in HOW if each == row[4]), CHOSEN)
                    kind = row[3] if isinstance(row[3], str) else None
                    self._given[place] = Given(answer=row[2], kind=kind, how=how, time=str(row[5]))
            self._stamp = _stamp(self.path)

    def _placed(self, numbers: list[int | None], blobs: list[object]) -> list[int | None]:
        """The object that has each outline; None where none has.

        Args:
            numbers: Of the objects that had them when they were written.
            blobs: The outlines.
        """
        if not blobs:
            return []
        shapes, own = np.array([shape_of(blob) for blob in blobs], object), self._objects.shapes
        wanted = signatures(shapes, self._pixel)
        places = [None if n is None else self._objects.places.get(n) for n in numbers]
        likely = np.array([None if place is None else own[place] for place in places], object)
        if wanted == signatures(likely, self._pixel):
            return places
        every = signatures(own, self._pixel)
        known = {signature: place for place, signature in enumerate(every)}
        return [known.get(signature) for signature in wanted]

    def _renumber(self, rows: list[int], places: list[int | None]) -> None:
        """Writes which object each answer belongs to now; none for those that wait."""
        numbers = [None if place is None else int(self._objects.ids[place]) for place in places]
        with self._writing() as base:
            base.execute("UPDATE review SET object = NULL")
            base.executemany(
                "UPDATE review SET object = ? WHERE fid = ?", zip(numbers, rows, strict=True)
            )

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        """The file, to be read.

        Raises:
            DataError: It is none of ours.
        """
        try:
            address = f"{self.path.resolve().as_uri()}?mode=rw"
            with closing(sqlite3.connect(address, uri=True, timeout=BUSY)) as base:
                yield base
        except sqlite3.Error as error:
            self._require_free(error)
            raise DataError(
                f"{REVIEW} must be one of metriccd's: that of {self._folder} is not ({error}); "
                "move it away"
            ) from None

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """The file in a transaction that is on disk when the block ends; made if it is not there.

        Raises:
            OutputError: It cannot be written.
        """
        new = self._is_new()
        mode = "rwc" if new else "rw"
        try:
            address = f"{self.path.absolute().as_uri()}?mode={mode}"
            with closing(
                sqlite3.connect(address, uri=True, timeout=BUSY, isolation_level=None)
            ) as base:
                # Also after the power went: the journal's end is on disk, too.
                base.execute("PRAGMA synchronous = EXTRA")
                base.execute("BEGIN IMMEDIATE")
                try:
                    if new:
                        self._make(base)
                    yield base
                except BaseException:
                    # A full disk may have ended it.
                    if base.in_transaction:
                        base.execute("ROLLBACK")
                    raise
                base.execute("COMMIT")
        except sqlite3.Error as error:
            self._require_free(error)
            raise OutputError(
                f"answers must be kept: {self.path} cannot be written ({error}); free space, or "
                "make the folder writable"
            ) from None

    def _require_free(self, error: sqlite3.Error) -> None:
        """Refuses a file that another program holds.

        Raises:
            OutputError: It does.
        """
        if getattr(error, "sqlite_errorcode", None) in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
            raise OutputError(
                f"{REVIEW} must be free: another program holds that of {self._folder}; close it "
                "there, then answer again"
            ) from None

    def _make(self, base: sqlite3.Connection) -> None:
        """The tables of a GeoPackage, in the CRS of the objects."""
        source = (self._folder / POLYGONS).resolve().as_uri()
        with closing(sqlite3.connect(f"{source}?mode=ro&immutable=1", uri=True)) as polygons:
            systems = polygons.execute(
                "SELECT srs_name, srs_id, organization, organization_coordsys_id, definition, "
                "description FROM gpkg_spatial_ref_sys"
            ).fetchall()
            (srs,) = polygons.execute(
                "SELECT srs_id FROM gpkg_geometry_columns WHERE table_name = 'change'"
            ).fetchone()
        base.execute(f"PRAGMA application_id = {APPLICATION}")
        base.execute(f"PRAGMA user_version = {VERSION}")
        for statement in TABLES.split(";"):
            base.execute(statement)
        base.executemany("INSERT INTO gpkg_spatial_ref_sys VALUES (?, ?, ?, ?, ?, ?)", systems)
        bounds = shapely.total_bounds(self._objects.shapes).tolist()
        base.executemany(
            "INSERT INTO gpkg_contents (table_name, data_type, identifier, description, min_x, "
            "min_y, max_x, max_y, srs_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                ("review", "features", "review", "answers to change objects", *bounds, srs),
                ("history", "attributes", "history", "all of them, for undo", *[None] * 4, None),
            ],
        )
        base.execute(
            "INSERT INTO gpkg_geometry_columns VALUES ('review', 'geom', 'GEOMETRY', ?, 0, 0)",
            (srs,),
        )

    @staticmethod
    def _srs(base: sqlite3.Connection) -> int:
        """Number of the CRS of the outlines."""
        (srs,) = base.execute(
            "SELECT srs_id FROM gpkg_geometry_columns WHERE table_name = 'review'"
        ).fetchone()
        return int(srs)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """What tells that a file may have been written."""
    try:
        found = os.stat(path)  # noqa: PTH116  # asked with each tile
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
