"""Damages of texts by what they are made of: XML, JSON, headers, tables and TOML."""

from __future__ import annotations

import copy
import json
import re
from typing import Any
from xml.etree import ElementTree

from faults.damage import REAL, WHOLE, Damaged, Rng, by_bytes, one_of

DEEP, LONG = 10_000, 10**6
# Names that lead out of the folder, to another machine, to what never ends, or to nothing.
PLACES = (
    *("../../../../../../etc/passwd", "/etc/passwd", "/dev/zero", "/dev/stdin", "/proc/self/mem"),
    *("http://192.0.2.1/a.tif", "/vsicurl/http://192.0.2.1/a.tif", "https://metriccd.invalid/a"),
    *("/vsis3/bucket/a.tif", "/vsistdin/", "/vsizip//vsicurl/http://192.0.2.1/a.zip/a.tif"),
    *("pipe", "t1.vrt", "t1.json", ".", "", "a\0b.tif", "\x7f\n", "file:///etc/passwd"),
    "WMTS:http://192.0.2.1/wmts",
    '<GDAL_WMS><Service name="TMS"><ServerUrl>http://192.0.2.1/${x}</ServerUrl></Service></GDAL_WMS>',
    "vrt://t1.tif?bands=1,2,3,1,2,3",
    "GTIFF_DIR:99:t1.tif",
)
BOMB = (
    "<!DOCTYPE a [<!ENTITY x0 'lol'>"
    + "".join(f"<!ENTITY x{n} '{f'&x{n - 1};' * 10}'>" for n in range(1, 10))
    + "]>"
)


def _value(rng: Rng) -> Any:
    """Anything but what is expected."""
    return one_of(
        rng,
        (
            *(None, True, {}, [], [[]], "", "nan", "x" * LONG, "\ud800", "é" * 300),
            *(one_of(rng, WHOLE), one_of(rng, REAL), one_of(rng, PLACES), one_of(rng, PLACES)),
            *([1] * 3, ["a", None], {"a": {"b": None}}, [0] * 10**5),
        ),
    )


def _text(rng: Rng) -> str:
    """The same as text."""
    every = (*WHOLE, *REAL, "", "x", "1,2", "é", "x" * LONG, "9" * 10_000, "-", "0x10", "1e999")
    return str(one_of(rng, (*every, *PLACES)))


def of_xml(content: bytes, rng: Rng) -> Damaged:
    """Elements left out, repeated, nested, with other texts and attributes; entities."""
    if rng.random() < 0.2:
        return by_bytes(content, rng)
    root = ElementTree.fromstring(content)
    above = {child: parent for parent in root.iter() for child in parent}
    element = one_of(rng, list(root.iter()))
    sources = list(root.iter("SourceFilename")) or [element]
    way = one_of(
        rng,
        (
            *("text", "text", "attribute", "attribute", "source", "source", "source"),
            *("left out", "many", "deep", "entities", "python", "dataset"),
        ),
    )
    said = element.tag
    if way == "text":
        element.text = _text(rng).replace("\0", "")
        said += f" {element.text[:40]!r}"
    elif way == "attribute" and element.attrib:
        name = one_of(rng, sorted(element.attrib))
        element.set(name, _text(rng).replace("\0", ""))
        said += f" {name}={element.get(name)[:40]!r}"
    elif way == "source":
        chosen = one_of(rng, sources)
        chosen.text = one_of(rng, PLACES).replace("\0", "")
        chosen.set("relativeToVRT", one_of(rng, ("0", "1")))
        said = chosen.text
    elif way in {"left out", "many"} and element is not root:
        parent, times = above[element], int(one_of(rng, (2, 100, 3000)))
        if way == "left out":
            parent.remove(element)
        else:
            parent.extend(copy.deepcopy(element) for _ in range(times))
            said += f" × {times}"
    elif way == "deep":
        opening, closing = f"<{element.tag}>" * DEEP, f"</{element.tag}>" * DEEP
        whole = ElementTree.tostring(root, "unicode")
        return whole.replace(">", f">{opening}{closing}", 1).encode(), f"{said} {DEEP} deep"
    elif way == "entities":
        text = ElementTree.tostring(root, "unicode")
        return (BOMB + text.replace("<SRS>", "<SRS>&x9;", 1)).encode(), "an entity of 10⁹ letters"
    elif way == "python":
        band = root.find("VRTRasterBand")
        band.set("subClass", "VRTDerivedRasterBand")
        for name, told in (
            ("PixelFunctionType", "f"),
            ("PixelFunctionLanguage", "Python"),
            ("PixelFunctionCode", "def f(*a, **k):\n    open('stray', 'w')\n"),
        ):
            ElementTree.SubElement(band, name).text = told
    else:
        root.set(one_of(rng, ("rasterXSize", "rasterYSize")), str(one_of(rng, (10**6, 2**31 - 1))))
        way, said = "size", str(root.attrib)
    return ElementTree.tostring(root, "utf-8"), f"{way}: {said[:100]}"


def of_json(content: bytes, rng: Rng) -> Damaged:
    """Members left out, of other types, absurd; addresses that lead elsewhere; nesting."""
    if rng.random() < 0.2:
        return by_bytes(content, rng)
    whole = json.loads(content)
    places = list(_members(whole))
    holder, key, path = one_of(rng, places)
    hrefs = [place for place in places if place[1] == "href"]
    way = one_of(rng, ("value", "value", "value", "left out", "deep", "raw", "href", "type"))
    if way == "href" and hrefs:
        holder, key, path = one_of(rng, hrefs)
        holder[key] = one_of(rng, PLACES)
        path += f" {holder[key]!r}"
    elif way == "left out":
        del holder[key]
    elif way in {"deep", "raw"}:
        holder[key] = "@@"
        raw = (f"{'[' * DEEP}{']' * DEEP}", '{"a":' * DEEP + "1" + "}" * DEEP)
        odd = ("NaN", "-Infinity", "1e999", "9" * 100_000, '"\\ud800"', "[1,2", "'a'", "\0", "tru")
        put = one_of(rng, raw if way == "deep" else odd)
        return json.dumps(whole).replace('"@@"', put, 1).encode(), f"{path} {way} {put[:20]}"
    else:
        holder[key] = _value(rng)
        path += f" {str(holder[key])[:40]!r}"
    return json.dumps(whole).encode("utf-8", "surrogatepass"), f"{way} of {path}"


def _members(node: Any, path: str = "") -> Any:
    keys = list(node) if isinstance(node, dict) else range(min(len(node), 8))
    for key in keys:
        yield node, key, f"{path}/{key}"
        if isinstance(node[key], dict | list):
            yield from _members(node[key], f"{path}/{key}")


def of_header(content: bytes, rng: Rng) -> Damaged:
    """Lines of an ENVI header left out, twice, or with absurd values."""
    if rng.random() < 0.2:
        return by_bytes(content, rng)
    lines = content.decode("latin1").splitlines()
    number = one_of(rng, [n for n, line in enumerate(lines) if "=" in line])
    key = lines[number].split("=")[0].strip()
    way = one_of(rng, ("value", "value", "number", "number", "left out", "twice", "new"))
    if way == "value":
        lines[number] = f"{key} = {_text(rng)}"
    elif way == "number":
        found = list(re.finditer(r"-?\d+\.?\d*", lines[number])) or [re.search(r"$", lines[number])]
        one = one_of(rng, found)
        value = one_of(rng, (*WHOLE, *REAL))
        lines[number] = f"{lines[number][: one.start()]}{value}{lines[number][one.end() :]}"
    elif way == "left out":
        del lines[number]
    elif way == "twice":
        lines.insert(number, lines[number])
    else:
        name = one_of(
            rng,
            (
                *("wavelength", "data gain values", "data offset values", "fwhm", "rpc info"),
                *(
                    "class names",
                    "classes",
                    "class lookup",
                    "data ignore value",
                    "file compression",
                ),
                *("coordinate system string", "geo points", "projection info", "bbl", "map info"),
            ),
        )
        lines.append(f"{name} = {{{', '.join(_text(rng) for _ in range(rng.integers(1, 5)))}}}")
    text = "\n".join(lines)
    return text.encode(
        "utf-8", "replace"
    ), f"{way}: {key} → {lines[min(number, len(lines) - 1)]:.60}"


def of_csv(content: bytes, rng: Rng) -> Damaged:
    """Cells with absurd values, columns of other names, quotes left open, other encodings."""
    if rng.random() < 0.2:
        return by_bytes(content, rng)
    rows = [line.split(",") for line in content.decode().splitlines()]
    row = int(rng.integers(len(rows)))
    col = int(rng.integers(len(rows[row])))
    way = one_of(rng, ("cell", "cell", "left out", "more", "quote", "encoding", "column"))
    if way == "cell":
        rows[row][col] = _text(rng)
    elif way == "left out":
        del rows[row][col]
    elif way == "more":
        rows[row] += ["1"] * int(one_of(rng, (1, 10**5)))
    elif way == "quote":
        rows[row][col] = '"' + rows[row][col]
    elif way == "column":
        rows[0][col] = one_of(rng, ("x", "lon", "lat", "label", "", "\0"))
    text = "\n".join(",".join(cells) for cells in rows)
    code = one_of(rng, ("utf-16", "utf-32", "utf-8-sig")) if way == "encoding" else "utf-8"
    return text.encode(code, "replace"), f"{way} at {row}, {col}: {rows[row][:3]!s:.60}"


def of_toml(content: bytes, rng: Rng) -> Damaged:
    """Values of other types, absurd numbers, deep arrays, keys that are no settings."""
    if rng.random() < 0.2:
        return by_bytes(content, rng)
    lines = content.decode().splitlines()
    number = one_of(rng, [n for n, line in enumerate(lines) if "=" in line])
    key = lines[number].split("=")[0].strip()
    key = one_of(
        rng, (key, key, "steps", "levels", "color_factor", "threshold", "alpha", "'\\u0000'")
    )
    values = (
        *("0", "-1", "9223372036854775807", "9" * 5000, "1e400", "nan", "inf", "-inf", "true"),
        *('""', '"x"', "[]", "[[]]", "{}", "2020-01-01", "[1, 'a']", "'" + "x" * LONG + "'"),
        *("[" * DEEP + "]" * DEEP, "{a=" * 500 + "1" + "}" * 500, "'''a\nb'''", '"\\ud800"', "0.5"),
        *("'/etc'", "'..'", "'/dev'", "'http://192.0.2.1/'", "99999999999", "'a\tb'"),
    )
    value = one_of(rng, values)
    way = one_of(rng, ("value", "value", "value", "left out", "twice"))
    if way == "value":
        lines[number] = f"{key} = {value}"
    elif way == "left out":
        del lines[number]
    else:
        lines.insert(number, lines[number])
    return "\n".join(lines).encode(), f"{way}: {key} = {value[:40]}"


def of_manifest(content: bytes, rng: Rng) -> Damaged:
    """Rows of tables, lines of JSON, or a collection of items, whichever it is."""
    if content[:4] == b"PAR1":
        return by_bytes(content, rng)
    if content[:1] != b"{":
        return of_csv(content, rng)
    lines = content.splitlines()
    number = int(rng.integers(len(lines)))
    lines[number], how = of_json(lines[number], rng)
    return b"\n".join(lines), f"line {number + 1}: {how}"
