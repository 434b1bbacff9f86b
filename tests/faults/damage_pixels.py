"""Damages of TIFF and PNG by what they are made of: entries of directories, and chunks."""

from __future__ import annotations

import struct
import zlib

from faults.damage import REAL, WHOLE, Damaged, Rng, by_bytes, one_of

# Bytes of each type of TIFF.
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 16: 8, 17: 8}


def of_tiff(content: bytes, rng: Rng) -> Damaged:
    """Entries of its directories with other tags, types, counts, values and places."""
    if rng.random() < 0.3:
        return by_bytes(content, rng)
    changed = bytearray(content)
    entries = list(_entries(content))
    if not entries:
        return by_bytes(content, rng)
    done = [_entry(changed, rng, *one_of(rng, entries)) for _ in range(rng.integers(1, 3))]
    return bytes(changed), "; ".join(done)


def _entries(content: bytes) -> list[tuple[str, bool, int]]:
    """(byte order, whether it is a BigTIFF, place) of all entries of all directories."""
    order = "<" if content[:2] == b"II" else ">"
    big = struct.unpack_from(order + "H", content, 2)[0] == 43
    (place,) = struct.unpack_from(order + ("Q" if big else "I"), content, 8 if big else 4)
    found = []
    while 0 < place < len(content):
        (count,) = struct.unpack_from(order + ("Q" if big else "H"), content, place)
        first, size = place + (8 if big else 2), 20 if big else 12
        found += [(order, big, first + number * size) for number in range(count)]
        (place,) = struct.unpack_from(order + ("Q" if big else "I"), content, first + count * size)
    return found


def _entry(changed: bytearray, rng: Rng, order: str, big: bool, place: int) -> str:
    number = order + ("Q" if big else "I")
    width = struct.calcsize(number)
    tag, kind = struct.unpack_from(order + "HH", changed, place)
    (count,) = struct.unpack_from(number, changed, place + 4)
    way = one_of(rng, ("tag", "type", "count", "value", "value", "value", "content", "content"))
    if way == "tag":
        value = one_of(rng, (256, 258, 259, 262, 273, 277, 322, 324, 330, 339, 34665, 65000))
        struct.pack_into(order + "H", changed, place, value)
    elif way == "type":
        value = one_of(rng, (0, 1, 2, 3, 4, 7, 12, 13, 16, 18, 65535))
        struct.pack_into(order + "H", changed, place + 2, value)
    elif way == "count":
        value = one_of(rng, WHOLE) % 256**width
        struct.pack_into(number, changed, place + 4, value)
    elif way == "value" or SIZES.get(kind, 1) * count <= width:
        value = one_of(rng, WHOLE) % 256**width
        if kind == 3 and order == "<":
            value = value % 2**16
        struct.pack_into(number, changed, place + 4 + width, value)
    else:
        (there,) = struct.unpack_from(number, changed, place + 4 + width)
        there += SIZES.get(kind, 1) * int(rng.integers(count))
        value = one_of(rng, REAL) if kind == 12 else one_of(rng, WHOLE) % 256 ** SIZES.get(kind, 1)
        packed = struct.pack(order + "d", value) if kind == 12 else _bytes(value, kind, order)
        changed[there : there + len(packed)] = packed
    return f"{way} of tag {tag} at {place} is {value}"


def _bytes(value: int, kind: int, order: str) -> bytes:
    return value.to_bytes(SIZES.get(kind, 1), "little" if order == "<" else "big")


def of_png(content: bytes, rng: Rng) -> Damaged:
    """Chunks left out, twice, swapped or with other content; their checksums are right."""
    if rng.random() < 0.3:
        return by_bytes(content, rng)
    chunks = _chunks(content)
    number = int(rng.integers(len(chunks)))
    name, body = chunks[number]
    way = one_of(rng, ("header", "header", "content", "left out", "twice", "swapped", "new", "new"))
    said = ""
    if way == "header":
        header = bytearray(chunks[0][1])
        place = int(rng.integers(6))
        if place < 2:
            value = one_of(rng, WHOLE) % 2**32
            struct.pack_into(">I", header, 4 * place, value)
        else:
            value = int(rng.integers(18))
            header[6 + place] = value
        chunks[0], said = (chunks[0][0], bytes(header)), f"{place}: {value}"
    elif way == "content":
        damaged, said = by_bytes(body, rng) if body else (b"\0" * 9, "bytes")
        chunks[number] = name, damaged
    elif way == "left out":
        del chunks[number]
    elif way == "twice":
        chunks.insert(number, chunks[number])
    elif way == "swapped":
        other = int(rng.integers(len(chunks)))
        chunks[number], chunks[other] = chunks[other], chunks[number]
    else:
        added = one_of(rng, _more())
        chunks.insert(1 + int(rng.integers(len(chunks) - 1)), added)
        name, said = added[0], f"{len(added[1])} bytes"
    packed = b"".join(
        struct.pack(">I", len(body))
        + name
        + body
        + struct.pack(">I", zlib.crc32(name + body) & 0xFFFFFFFF)
        for name, body in chunks
    )
    return content[:8] + packed, f"chunk {name.decode('latin1')} {way} {said}"


def _chunks(content: bytes) -> list[tuple[bytes, bytes]]:
    found, place = [], 8
    while place + 8 <= len(content):
        (length,) = struct.unpack_from(">I", content, place)
        found.append((content[place + 4 : place + 8], content[place + 8 : place + 8 + length]))
        place += length + 12
    return found


def _more() -> list[tuple[bytes, bytes]]:
    """Chunks that PNGs may have, such as texts that unpack to far more than they are."""
    bomb = zlib.compress(bytes(64 * 2**20))
    return [
        (b"zTXt", b"a\0\0" + bomb),
        (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + bomb),
        (b"iCCP", b"a\0\0" + bomb),
        (b"tEXt", b"a" * 300),
        (b"tEXt", b"a\0" + bytes(range(256))),
        (b"PLTE", bytes(3 * 300)),
        (b"PLTE", b""),
        (b"tRNS", bytes(999)),
        (b"gAMA", bytes(4)),
        (b"cHRM", b"\xff" * 32),
        (b"eXIf", b"II*\0\xff\xff\xff\xff"),
        (b"acTL", b"\xff" * 8),
        (b"XXXX", b"\0"),
    ]
