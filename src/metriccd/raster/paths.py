"""Names of rasters: as GDAL spells them, without their secrets, and the files behind them."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.sax.saxutils import unescape

import rasterio
from rasterio._path import _parse_path, _vsi_path
from rasterio.env import ensure_env_with_credentials
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.io import DatasetReader

from metriccd.errors import DataError
from metriccd.raster.settings import without_drivers
from metriccd.trust import admit, is_remote

# What a URL or a connection string holds that is nobody else's business.
USER = re.compile(r"(?<=://)[^/@\s]+@")
QUERY = re.compile(r"((?:://|/vsi)[^\s?]*)\?[^\s\"']*")
SECRET = re.compile(r"\b(password|passwd|token|secret|signature|api_?key)=[^\s&;\"']+", re.I)
# What a name begins with that says how GDAL reads the file after it.
VRT = "vrt://"
WITHIN = re.compile(
    r"^(?:vrt://|file://|/vsi(?:zip|tar|gzip|7z|rar|crypt)/|/vsisubfile/[\d_]+,"
    r"|/vsicached\?(?:[^&]*&)*?file=)+",
    re.I,
)
# A source of a VRT, and whether it is named from the VRT's folder.
SOURCE = re.compile(
    r"<Source(?:Filename|Dataset)\b(?:[^>]*relativeToVRT=[\"'](\d)[\"'])?[^>]*>([^<]+)<", re.I
)
# An archive in the working folder: rasterio takes its name for that of a server.
ARCHIVE = re.compile(r"^((?:zip|tar|gzip)(?:\+file)?://)(?=[^/])", re.I)
# Characters of a VRT that are looked at, and pieces of a subdataset's name.
LONGEST, PIECES = 2**26, 8


def redacted(text: str) -> str:
    """A text without the user names, passwords and queries of the URLs in it."""
    return SECRET.sub(r"\1=...", QUERY.sub(r"\1", USER.sub("", text)))


def gdal_path(path: str) -> str:
    """The name that GDAL itself knows: "zip://a.zip!b.tif" is "/vsizip/a.zip/b.tif"."""
    return str(_vsi_path(_parsed(path)))


def _parsed(path: str) -> Any:
    return _parse_path(ARCHIVE.sub(r"\1./", path))


@contextmanager
def opened(path: str, *, maybe_vrt: bool = True) -> Iterator[DatasetReader]:
    """Opens a raster that was admitted, without a word on georeference that it lacks.

    Args:
        path: Its name.
        maybe_vrt: Whether it may be a VRT; False where nobody knows what that would name.
    """
    if is_remote(gdal_path(path)):
        # Files beside an image are asked for one by one, not for lists of all a server has.
        told = {"GDAL_DISABLE_READDIR_ON_OPEN": "TRUE"}
    else:
        # Headers in an archive, which nobody can look at first, may name servers: no name is none.
        told = {} if maybe_vrt else {"CPL_VSIL_CURL_ALLOWED_FILENAME": "none"}
    with warnings.catch_warnings(), rasterio.Env(**told):
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        drivers = without_drivers()
        with _reader(path, list(drivers if maybe_vrt else drivers[1:])) as dataset:
            yield dataset


@ensure_env_with_credentials  # type: ignore[untyped-decorator]
def _reader(path: str, drivers: list[str]) -> DatasetReader:
    """What `rasterio.open` returns, which itself takes no list of drivers."""
    return DatasetReader(_parsed(path), driver=drivers)


def reason(error: BaseException) -> str:
    """What went wrong, in one line, without secrets."""
    return redacted(str(error.__cause__ or error).splitlines()[0])


def require_text(path: str) -> None:
    """Refuses a name that is no text.

    Raises:
        DataError: It is not UTF-8, so that no record could hold it.
    """
    try:
        path.encode()
    except UnicodeEncodeError:
        shown = path.encode("utf-8", "backslashreplace").decode()
        raise DataError(f"names must be UTF-8: got {shown}; rename the file") from None


def projection_beside(path: str) -> Path | None:
    """The file that states the CRS beside a raster, as ESRI's programs write it: a.prj of a.jpg."""
    place = Path(gdal_path(path)).with_suffix(".prj")
    return place if place.is_file() else None


def files_of(path: str) -> tuple[Path, ...]:
    """Files on this machine that a raster consists of, see `parts_of`."""
    return parts_of(path)[0]


def parts_of(path: str) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """What a raster consists of: sources, masks, headers, its archive.

    Args:
        path: Any name that GDAL or rasterio takes: a file, "file://", "vrt://", a subdataset such
            as "GTIFF_DIR:1:a.tif", a member of an archive, or the text of a VRT.

    Returns:
        Files on this machine, and names that lead to none.
    """
    found: dict[Path, None] = {}
    elsewhere: list[str] = []
    seen: set[str] = set()
    todo = [path]
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        parts = [(part, _on_disk(part)) for part in _parts(name)]
        found |= dict.fromkeys(file for _, files in parts for file in files)
        # GDAL lists the sources of a VRT, but not those of its sources, nor subdatasets.
        inline = name.lstrip().startswith("<")
        texts = [name] if inline else [file for _, files in parts for file in files]
        todo += [source for text in texts for source in _sources(text)]
        elsewhere += [part for part, files in parts if not files and not inline]
    return tuple(found), tuple(dict.fromkeys(elsewhere))


def _parts(path: str) -> list[str]:
    """What GDAL reads for a raster, first of all the file itself."""
    if is_remote(gdal_path(path)):
        # None of it is on this machine, and nobody may have asked for it.
        return [gdal_path(path)]
    try:
        with opened(path, maybe_vrt=admit(gdal_path(path))) as dataset:
            beside = projection_beside(path)
            told = [str(beside)] if beside is not None and dataset.crs is None else []
            return [gdal_path(path), *dataset.files, *told]
    except (DataError, RasterioError):
        return [gdal_path(path)]


def _sources(vrt: str | Path) -> list[str]:
    """Names in the text or the file of a VRT; none of anything else."""
    text, folder = (vrt, "") if isinstance(vrt, str) else (_beginning(vrt), str(vrt.parent))
    if not text.lstrip().startswith("<VRTDataset"):
        return []
    named = [(beside, unescape(name.strip())) for beside, name in SOURCE.findall(text)]
    return [os.path.join(folder, name) if beside == "1" else name for beside, name in named]  # noqa: PTH118  # may be no path


def _beginning(file: Path) -> str:
    """The text of a VRT, as far as it is of any sensible length; "" of other files."""
    try:
        with file.open("rb") as stream:
            start = stream.read(64)
            if not start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<VRTDataset"):
                return ""
            return (start + stream.read(LONGEST)).decode("utf-8-sig", "replace")
    except OSError:
        return ""


def _on_disk(name: str) -> list[Path]:
    """Files behind a name of GDAL: itself, the archive it lies in, or all of a folder."""
    bare = WITHIN.sub("", name)
    bare = bare.partition("?")[0] if name.startswith(VRT) else bare
    path = bare.replace("{", "").replace("}", "") if bare != name else bare
    if path and os.path.isdir(path):  # noqa: PTH112  # never raises
        return sorted(each for each in Path(path).rglob("*") if each.is_file())
    for each in (Path(path), *Path(path).parents):
        if os.path.isfile(each):  # noqa: PTH113  # never raises
            return [each]
    # NETCDF:"a.nc":band, GTIFF_DIR:1:a.tif, SENTINEL2_L2A:a.xml:10m:EPSG_32632
    pieces = bare.split(":")[:PIECES]
    for start in range(len(pieces)):
        for end in range(len(pieces), start, -1):
            piece = ":".join(pieces[start:end]).strip('"')
            if piece and piece != name and os.path.isfile(WITHIN.sub("", piece)):  # noqa: PTH113
                return [Path(WITHIN.sub("", piece))]
    return []
