"""Names: those that the user types, and those that a file gives, whom nobody asked.

A name is as GDAL spells it: "/vsicurl/https://…", "/vsizip/a.zip/b.tif", "GTIFF_DIR:2:a.tif".
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from pathlib import Path

from metriccd.errors import DataError
from metriccd.trust.policy import trusted

REMOTE = re.compile(
    r"/vsi(?:curl|s3|gs|az|adls|oss|swift|hdfs|webhdfs)(?:_streaming)?(?![a-z])"
    r"|\b(?:https?|ftps?|s3a?|gs|az|abfss?|adl|oss|swift|hdfs|webhdfs|wss?)://",
    re.IGNORECASE,
)
# Places that GDAL makes up, and those of them that are files of this machine after all.
MADE_UP = re.compile(r"/vsi(\w+)")
LOCAL = {"zip", "tar", "gzip", "7z", "rar", "mem", "subfile"}
# What is no file: databases and map servers, whose drivers are off, and XML instead of a name.
SERVICE = re.compile(
    r"\s*<|(?:PG|PGEO|MYSQL|MSSQL|OCI|ODBC|GEORASTER|MONGODBV3|ES|HANA|CARTO|NGW|WMS|WMTS|WCS|WFS"
    r"|OAPIF|OGCAPI|CSW|EEDA|EEDAI|PLMOSAIC|PLSCENES|DAAS|STACIT|STACTA|TILEDB|ADBC|GTI|MEM|"
    r"DERIVED_SUBDATASET):",
    re.IGNORECASE,
)
# Before the name of a raster of which GDAL makes a VRT.
VRT_OF = re.compile(r"^(?:vrt://)+", re.IGNORECASE)
# What stands before a file's name that is not the file itself, but something in it or said of it:
# schemes, places that GDAL makes up, drivers with words and numbers of theirs.
BEFORE = re.compile(
    r"(?:[a-zA-Z+]+://|/vsi(?:zip|tar|gzip|7z|rar)/\{?|/vsisubfile/\d+_\d+,"
    r'|[A-Z][A-Z0-9_]+:(?:(?:off|\d+):)*"?)*'
)
# Pieces between colons that are looked at; letters of a name that are shown.
PIECES, SHOWN = 8, 120


def is_remote(name: str) -> bool:
    """Whether a name leads to another machine."""
    return REMOTE.search(name) is not None


def placed(name: str, folder: str) -> str:
    """A name as it is found from anywhere, however it is spelled.

    Args:
        name: As GDAL or rasterio spell it: "a.tif", "vrt://a.tif?bands=1", "zip://a.zip!b.tif",
            "GTIFF_DIR:2:a.tif", 'NETCDF:"a.nc":v'.
        folder: What it is relative to: an absolute path.

    Returns:
        The same with the folder before the file, but for what is absolute, or on another machine.
    """
    special = ":" in name or name.startswith("/vsi")
    if not special or os.path.lexists(os.path.join(folder, name)):  # noqa: PTH118
        # Not by way of `Path`, which takes a quarter of the time of a row of a manifest.
        return os.path.join(folder, name)  # noqa: PTH118
    rest = BEFORE.sub("", name, count=1)
    if is_remote(name) or MADE_UP.match(rest):
        return name
    return name.removesuffix(rest) + os.path.join(folder, rest)  # noqa: PTH118


def require_name(name: str) -> None:
    """Refuses a name that is no place for a file.

    Raises:
        DataError: A stream, a service, or a text.
    """
    places = [match for match in MADE_UP.finditer(name) if match[1].lower() not in LOCAL]
    if any(not REMOTE.match(match[0]) for match in places):
        raise DataError(
            f"an input must be a file: {_short(name)} is a stream or an unknown place; save it to "
            "a file first"
        )
    if SERVICE.match(VRT_OF.sub("", name)):
        raise DataError(
            f"an input must be a file: {_short(name)} is a service or a text; GDAL's drivers for "
            "these are off (docs/security.md); save it as a GeoTIFF with gdal_translate"
        )


def require_within(
    name: str,
    by: str,
    home: Path | None,
    bases: Sequence[Path],
    real: Callable[[Path], str] = os.path.realpath,
) -> list[Path]:
    """Files that a name leads to, which a file gives: within the folder of that file, if any are.

    Args:
        name: As GDAL is told it.
        by: The file that gives it.
        home: The folder of that file; None where it lies on another machine.
        bases: What the name may be relative to.
        real: From a path to the one without links.

    Raises:
        DataError: It leads elsewhere without leave, or to no file.
    """
    require_name(name)
    found = [file for base in bases for file in files_behind(name, base)]
    if trusted().allow_remote:
        return found
    special = ":" in name or MADE_UP.match(name) is not None
    if home is None or is_remote(name) or (special and not found):
        raise _elsewhere(name, by)
    root = os.path.join(real(home), "")  # noqa: PTH118  # a hundred thousand times
    for path in found or [base / name for base in bases]:
        if not real(path).startswith(root):
            raise _elsewhere(name, by)
    return found


def _elsewhere(name: str, by: str) -> DataError:
    """The error for a name that nobody asked for."""
    return DataError(
        "what a file names is opened unasked only within its own folder: "
        f"{_short(by)} names {_short(name)}; names elsewhere, and on other machines, take "
        "--allow-remote"
    )


def _short(name: str) -> str:
    return name if len(name) <= SHOWN else f"{name[: SHOWN // 2]}…{name[-SHOWN // 2 :]}"


def files_behind(name: str, base: Path) -> list[Path]:
    """Files and folders that a name of GDAL leads to, which exist.

    Args:
        name: The name.
        base: What it is relative to.
    """
    if os.path.lexists(base / name):
        return [base / name]
    found: dict[Path, None] = {}
    for text in filter(None, _spellings(name)):
        path = base / text
        for each in (path, *path.parents):
            if os.path.lexists(each):
                if each == path or not each.is_dir():
                    found[each] = None
                break
    return list(found)


def _spellings(name: str) -> Iterator[str]:
    """What of a name may be that of a file: without places, drivers, quotes, parts."""
    inside = re.sub(r"^(?:/vsi(?:zip|tar|gzip|7z|rar|subfile)/)+", "", name)
    if inside != name:
        yield from (text.strip("{}") for text in (inside, inside.partition("}")[0]))
        yield inside.partition(",")[2]
    yield from re.findall(r'"([^"]+)"', name)
    pieces = name.split(":")[:PIECES]
    for first, last in combinations(range(len(pieces) + 1), 2):
        text = ":".join(pieces[first:last])
        yield text
        # vrt://a.tif?bands=1
        yield text.removeprefix("//").partition("?")[0]
