"""Damages of GeoPackages, shapefiles and weights by what they are made of."""

from __future__ import annotations

import json
import sqlite3
import struct
import tempfile
import zipfile
from contextlib import closing, suppress
from io import BytesIO
from pathlib import Path

from faults.damage import REAL, WHOLE, Damaged, Rng, by_bytes, one_of

ENDLESS = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c)"


def of_gpkg(content: bytes, rng: Rng) -> Damaged:
    """Tables, geometries and what is said of them, changed by SQL."""
    if rng.random() < 0.25:
        return by_bytes(content, rng)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.gpkg"
        path.write_bytes(content)
        done = []
        with closing(sqlite3.connect(path, isolation_level=None)) as table:
            # What would never end, as it reads an endless view, is given up.
            rounds = iter(range(100))
            table.set_progress_handler(lambda: next(rounds, None) is None, 10_000)
            table.execute("PRAGMA writable_schema = ON")
            triggers = table.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
            for (name,) in triggers.fetchall():
                table.execute(f'DROP TRIGGER "{name}"')
            for _ in range(rng.integers(1, 3)):
                statement, values = _statement(table, rng)
                with suppress(sqlite3.Error):
                    table.execute(statement, values)
                done.append(f"{statement} {values!s:.60}")
        return path.read_bytes(), "; ".join(done)


def _statement(table: sqlite3.Connection, rng: Rng) -> tuple[str, tuple[object, ...]]:
    srs = one_of(rng, (0, -1, 99_999, 4326, 2**31, 2**63 - 1, "x", None))
    whole = one_of(rng, WHOLE[:-1])
    text = one_of(rng, ("", "x" * 10**6, "GEOGCS[", "\0", None, b"\xff\xfe", 'PROJCS["a"]'))
    row = None
    with suppress(sqlite3.Error):
        row = table.execute("SELECT geom FROM zones WHERE typeof(geom) = 'blob'").fetchone()
    shape = _geometry(row[0] if row else b"GP", rng)
    return one_of(
        rng,
        (
            *[("UPDATE zones SET geom = ?", (shape,))] * 6,
            ("UPDATE zones SET geom = ? WHERE fid = 1", (shape,)),
            ("UPDATE zones SET geom = ?", (text,)),
            ("UPDATE gpkg_geometry_columns SET srs_id = ?", (srs,)),
            ("UPDATE gpkg_contents SET srs_id = ?", (srs,)),
            ("UPDATE gpkg_spatial_ref_sys SET definition = ?", (text,)),
            ("UPDATE gpkg_spatial_ref_sys SET srs_id = ?, organization_coordsys_id = 1", (whole,)),
            ("UPDATE gpkg_spatial_ref_sys SET organization = ?", (text,)),
            ("UPDATE gpkg_geometry_columns SET geometry_type_name = ?", (text or "POINT",)),
            ("UPDATE gpkg_geometry_columns SET column_name = ?", (text or "name",)),
            ("UPDATE gpkg_geometry_columns SET table_name = ?", (text or "sqlite_master",)),
            ("UPDATE gpkg_geometry_columns SET z = ?, m = ?", (whole, whole)),
            ("UPDATE gpkg_contents SET min_x = ?, max_x = ?", (one_of(rng, REAL), whole)),
            ("UPDATE gpkg_contents SET data_type = ?", (text or "tiles",)),
            ("UPDATE zones SET fid = ? WHERE fid = 1", (whole,)),
            ("UPDATE zones SET name = ?, size = ?", (text, text)),
            ("UPDATE sqlite_master SET rootpage = ? WHERE name = 'zones'", (whole,)),
            ("UPDATE sqlite_master SET sql = ? WHERE name = 'zones'", ("CREATE TABLE zones (x)",)),
            (f"DROP TABLE {one_of(rng, ('gpkg_contents', 'gpkg_spatial_ref_sys', 'zones'))}", ()),
            ("DROP TABLE gpkg_geometry_columns", ()),
            ("DELETE FROM zones", ()),
            ("DELETE FROM gpkg_spatial_ref_sys", ()),
            ("ALTER TABLE zones RENAME COLUMN geom TO shape", ()),
            ("ALTER TABLE zones RENAME TO other", ()),
            ("ALTER TABLE zones ADD COLUMN changed_m2 TEXT DEFAULT 'x'", ()),
            ("ALTER TABLE zones ADD COLUMN geometry TEXT DEFAULT 'x'", ()),
            ("PRAGMA application_id = 0", ()),
            ("PRAGMA user_version = 99999", ()),
            ("PRAGMA journal_mode = WAL", ()),
            (
                f"INSERT INTO zones (geom, name, size) {ENDLESS} SELECT z.geom, 'x', n FROM c, "
                f"(SELECT geom FROM zones LIMIT 1) z LIMIT {one_of(rng, (10, 3000))}",
                (),
            ),
            ("CREATE TABLE spare AS SELECT * FROM zones", ()),
            *_views(rng),
        ),
    )


def _views(rng: Rng) -> list[tuple[str, tuple[object, ...]]]:
    """Views in place of the table; one of them has no end."""
    rename = "UPDATE sqlite_master SET type = 'view', rootpage = 0, sql = ? WHERE name = 'zones'"
    select = one_of(
        rng,
        (
            f"{ENDLESS} SELECT n AS fid, x'4750' AS geom FROM c",
            "SELECT * FROM zones",
            "SELECT 1 AS fid, randomblob(100) AS geom",
            "SELECT 1 AS fid, load_extension('/tmp/a.so') AS geom",
        ),
    )
    return [(rename, (f"CREATE VIEW zones AS {select}",))] * 2


def _geometry(blob: bytes, rng: Rng) -> bytes:
    """A GeoPackage geometry with other flags, types, counts and coordinates."""
    way = one_of(rng, ("bytes", "flags", "kind", "count", "coordinates", "coordinates", "nested"))
    changed = bytearray(blob if len(blob) > 60 else b"GP\0\1" + bytes(80))
    # Magic, version, flags, CRS (8), envelope (32), then byte order, type, rings, points.
    if way == "bytes":
        return by_bytes(bytes(changed), rng)[0]
    if way == "flags":
        changed[3] = int(rng.integers(256))
    elif way == "kind":
        kinds = (0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 15, 16, 17, 1003, 2003, 3003, 2**31, 2**32 - 1)
        struct.pack_into("<I", changed, 41, one_of(rng, kinds))
    elif way == "count":
        struct.pack_into("<I", changed, one_of(rng, (45, 49)), one_of(rng, WHOLE) % 2**32)
    elif way == "coordinates":
        for place in range(53, len(changed) - 8, 8):
            if rng.random() < 0.4:
                struct.pack_into("<d", changed, place, one_of(rng, REAL))
    else:
        opened = struct.pack("<BII", 1, 7, 1) * int(one_of(rng, (3, 100, 10_000)))
        return bytes(changed[:40]) + opened + struct.pack("<BII", 1, 7, 0)
    return bytes(changed)


def of_shp(content: bytes, rng: Rng) -> Damaged:
    """Numbers of a shapefile's header and of its first records; its tables by bytes."""
    if content[:4] != b"\0\0\x27\x0a" or rng.random() < 0.3:
        return by_bytes(content, rng)
    changed = bytearray(content)
    way = one_of(rng, ("length", "kind", "box", "record", "parts", "points", "coordinates"))
    whole, real = one_of(rng, WHOLE) % 2**32, one_of(rng, REAL)
    if way == "length":
        struct.pack_into(">I", changed, 24, whole)
    elif way == "kind":
        struct.pack_into("<I", changed, 32, one_of(rng, (0, 1, 3, 8, 15, 25, 31, whole)))
    elif way == "box":
        struct.pack_into("<d", changed, 36 + 8 * int(rng.integers(4)), real)
    elif way == "record":
        struct.pack_into(">I", changed, one_of(rng, (100, 104)), whole)
    elif len(changed) > 160:
        place = {"parts": 144, "points": 148}.get(way)
        if place is not None:
            struct.pack_into("<I", changed, place, whole)
        else:
            for there in range(156, len(changed) - 8, 8):
                if rng.random() < 0.3:
                    struct.pack_into("<d", changed, there, one_of(rng, REAL))
    return bytes(changed), f"{way}: {whole} or {real}"


def of_weights(content: bytes, rng: Rng) -> Damaged:
    """Headers of safetensors and of the arrays in an archive, and zips that lie."""
    if rng.random() < 0.2:
        return by_bytes(content, rng)
    return _archive(content, rng) if content[:2] == b"PK" else _safetensors(content, rng)


def _safetensors(content: bytes, rng: Rng) -> Damaged:
    (length,) = struct.unpack_from("<Q", content)
    header, rest = json.loads(content[8 : 8 + length]), content[8 + length :]
    name = one_of(rng, sorted(header))
    way = one_of(rng, ("length", "member", "member", "left out", "metadata", "metadata", "deep"))
    if way == "length":
        value = one_of(rng, WHOLE) % 2**64
        return struct.pack("<Q", value) + content[8:], f"header of {value} bytes"
    if way == "metadata":
        said = one_of(
            rng,
            (
                *("{", "[]", "1", '"x"', "[" * 100_000, "{}", '{"preprocessing": 1}', "9" * 10_000),
                '{"preprocessing": {"order": "rgb", "scale": null, "mean": [1], "std": [0, 0, 0]}}',
                '{"preprocessing": {"mean": 1, "std": []}, "source_sha256": 5}',
                '{"preprocessing": {"mean": ["a", "b", "c"], "std": [1, 1, 1], "scale": "x"}, '
                '"source_sha256": "0"}',
                '{"preprocessing": {"mean": [NaN, 0, 0], "std": [0, 1, 1], "x": 1}}',
                '{"preprocessing": {"mean": [[], {}, 1e999], "std": [0, 1, 1]}, '
                '"source_sha256": null}',
            ),
        )
        header["__metadata__"] = {"metriccd": said}
        name = said
    elif way == "left out":
        del header[name]
    elif way == "deep":
        packed = ('{"a":' * 10_000 + "1" + "}" * 10_000).encode()
        return struct.pack("<Q", len(packed)) + packed + rest, "a deep header"
    elif name != "__metadata__":
        part = one_of(rng, ("shape", "dtype", "data_offsets"))
        header[name][part] = one_of(
            rng,
            {
                "shape": ([], [0], [64], [2**62, 4], [-1], [1] * 100, [64, 3, 3, 3, 1], None),
                "dtype": ("F64", "F16", "BF16", "BOOL", "I8", "F8_E4M3", "C64", "X", None),
                "data_offsets": ([0, 0], [4, 2], [0, 2**63], [-1, 4], [0], None, [1, 257]),
            }[part],
        )
        name += f" {part} {header[name][part]}"
    packed = json.dumps(header).encode()
    return struct.pack("<Q", len(packed)) + packed + rest, f"{way}: {name[:80]}"


def _archive(content: bytes, rng: Rng) -> Damaged:
    with zipfile.ZipFile(BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = one_of(rng, sorted(members))
    way = one_of(rng, ("header", "header", "header", "member", "name", "bomb", "left out", "twice"))
    said, packing = "", zipfile.ZIP_STORED
    if way == "header":
        said = one_of(rng, _headers())
        body = members[name][128:]
        packed = said.encode("latin1", "replace")
        members[name] = b"\x93NUMPY\2\0" + struct.pack("<I", len(packed)) + packed + body
    elif way == "member":
        members[name], said = by_bytes(members[name], rng)
    elif way == "name":
        members[one_of(rng, ("../../stray.npy", "/tmp/stray.npy", "a/b", "conv1_1.weight"))] = b"x"
    elif way == "bomb":
        shape = one_of(rng, ("(64, 3, 3, 3)", "(16000000,)", "(64, 3, 3, 3, 10000)"))
        header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
        start = b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header
        members[name], packing, said = start + bytes(64 * 2**20), zipfile.ZIP_DEFLATED, shape
    elif way == "left out":
        del members[name]
    stream = BytesIO()
    with zipfile.ZipFile(stream, "w", packing, compresslevel=1) as archive:
        for each, body in members.items():
            # Always the same time: the same bytes.
            archive.writestr(zipfile.ZipInfo(each), body, packing)
            if way == "twice":
                archive.writestr(zipfile.ZipInfo(each + " "), body[:200], packing)
    return stream.getvalue(), f"{way} of {name}: {said[:60]}"


def _headers() -> tuple[str, ...]:
    """Headers of arrays that no array has."""
    form = "{{'descr': {}, 'fortran_order': {}, 'shape': {}, }}\n"
    shape = "(64, 3, 3, 3)"
    return (
        *("", "(" * 9_000, "[" * 100_000, "9" * 100_000, "{'a': 1}", "None", "__import__('os')"),
        form.format("'|O'", "False", shape),
        form.format("'<f8'", "True", shape),
        form.format("'<f4'", "False", "(2**62,)"),
        form.format("'<f4'", "False", "(4611686018427387904, 4)"),
        form.format("'<f4'", "False", "(-1, 3)"),
        form.format("'<f4'", "False", f"({'9' * 5000},)"),
        form.format("'<f4'", "5", "()"),
        form.format("'<U9999999'", "False", "(1000000,)"),
        form.format("'<c16'", "False", "(64,)"),
        form.format("[('a', '<f4', (64,))]", "False", "(27,)"),
        form.format("'x'", "False", shape),
        form.format("'M8[ns]'", "False", "(64,)"),
        form.format("'<f4'", "False", "(1,) * 10**9"),
        form.format("'<f4'", "False", "(" + "1, " * 100 + ")"),
        form.format("'<f4'", "False", "(0, 3, 3, 3)"),
    )
