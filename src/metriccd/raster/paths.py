"""Names of rasters: as GDAL spells them, without their secrets, and the files behind them."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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
# Files within which GDAL reads others.
ARCHIVE = re.compile(r"/vsi(?:zip|tar|gzip|7z|rar)/")


def redacted(text: str) -> str:
    """A text without the user names, passwords and queries of the URLs in it."""
    return SECRET.sub(r"\1=...", QUERY.sub(r"\1", USER.sub("", text)))


def gdal_path(path: str) -> str:
    """The name that GDAL itself knows: "zip://a.zip!b.tif" is "/vsizip/a.zip/b.tif"."""
    return str(_vsi_path(_parse_path(path)))


@contextmanager
def opened(path: str, *, maybe_vrt: bool = True) -> Iterator[DatasetReader]:
    """Opens a raster that was admitted, without a word on georeference that it lacks.

    Args:
        path: Its name.
        maybe_vrt: Whether it may be a VRT; False where nobody knows what that would name.
    """
    # Servers are asked for the files beside an image one by one, not for lists of all they have.
    beside = {"GDAL_DISABLE_READDIR_ON_OPEN": "TRUE"} if is_remote(gdal_path(path)) else {}
    with warnings.catch_warnings(), rasterio.Env(**beside):
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        drivers = without_drivers()
        with _reader(path, list(drivers if maybe_vrt else drivers[1:])) as dataset:
            yield dataset


@ensure_env_with_credentials  # type: ignore[untyped-decorator]
def _reader(path: str, drivers: list[str]) -> DatasetReader:
    """What `rasterio.open` returns, which itself takes no list of drivers."""
    return DatasetReader(_parse_path(path), driver=drivers)


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
    """Files on this machine that a raster consists of: sources, masks, headers, its archive."""
    found: dict[Path, None] = {}
    seen: set[str] = set()
    todo = [path]
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        for part in _parts(name):
            found |= dict.fromkeys(_on_disk(part))
            todo += [part] if part.lower().endswith(".vrt") else []
    return tuple(found)


def _parts(path: str) -> list[str]:
    """What GDAL reads for a raster, first of all the file itself."""
    try:
        admit(gdal_path(path))
        with opened(path) as dataset:
            beside = projection_beside(path)
            told = [str(beside)] if beside is not None and dataset.crs is None else []
            return [gdal_path(path), *dataset.files, *told]
    except (DataError, RasterioError):
        return [gdal_path(path)]


def _on_disk(name: str) -> list[Path]:
    """Files behind a name of GDAL: itself, the archive it lies in, or all of a folder."""
    inside = ARCHIVE.search(name)
    path = Path(name[inside.end() :].strip("{}") if inside else name)
    if path.is_dir():
        return sorted(each for each in path.rglob("*") if each.is_file())
    for each in (path, *path.parents) if inside else (path,):
        if Path(str(each).rstrip("}")).is_file():
            return [Path(str(each).rstrip("}"))]
    return []
