"""What GDAL may do: no driver that is off, no program, and no patience without end."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from metriccd.errors import DataError
from metriccd.raster import open_item, open_raster, open_shapes
from metriccd.raster.settings import OFF

PROBE = """
import json, os, sys
import metriccd.raster
import pyogrio, rasterio
with rasterio.Env() as env:
    found = [*env.drivers(), *pyogrio.list_drivers()]
print(json.dumps([found, {name: os.environ.get(name) for name in sys.argv[1:]}]))
"""
PROMISED = {
    *("GTiff", "COG", "VRT", "MEM", "JP2OpenJPEG", "PNG", "JPEG", "WEBP", "BMP", "GIF", "ENVI"),
    *("HFA", "netCDF", "HDF5", "GRIB", "AAIGrid", "EHdr", "ERS", "PCIDSK", "NITF", "Zarr", "SAFE"),
    *("SENTINEL2", "DIMAP", "GPKG", "ESRI Shapefile", "GeoJSON", "FlatGeobuf", "KML", "GML", "GPX"),
}


def started(**variables: str) -> tuple[set[str], dict[str, str | None], str]:
    """Drivers of a fresh process, its environment, and what it said."""
    names = ("GDAL_SKIP", "CPL_LOG", "GDAL_VRT_ENABLE_PYTHON", "GDAL_HTTP_TIMEOUT")
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *names],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    drivers, environment = json.loads(done.stdout)
    return set(drivers), environment, done.stderr


def test_drivers_that_are_off_are_not_there_and_those_promised_are() -> None:
    inherited = dict.fromkeys(("GDAL_VRT_ENABLE_PYTHON", "GDAL_HTTP_TIMEOUT"), "")
    drivers, environment, said = started(**inherited | {"GDAL_HTTP_TIMEOUT": "77"})
    assert not drivers & set(OFF)
    assert drivers >= PROMISED
    assert said == ""
    assert environment["GDAL_SKIP"] is environment["CPL_LOG"] is None
    assert environment["GDAL_VRT_ENABLE_PYTHON"] == "NO"
    assert environment["GDAL_HTTP_TIMEOUT"] == "77"


@pytest.mark.parametrize("own", ["BMP ERS", "BMP,ERS,ESRI Shapefile"])
def test_what_the_user_skips_is_skipped_too(own: str) -> None:
    drivers, environment, _ = started(GDAL_SKIP=own)
    assert not drivers & {*OFF, "BMP", "ERS"}
    assert ("ESRI Shapefile" in drivers) == ("," not in own)
    assert environment["GDAL_SKIP"] == own


@pytest.fixture(params=["never answers", "sends a byte now and then"])
def slow(request, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Address of a server that takes calls; patience with it is short."""
    monkeypatch.setenv("GDAL_HTTP_CONNECTTIMEOUT", "2")
    monkeypatch.setenv("GDAL_HTTP_TIMEOUT", "3")
    monkeypatch.setenv("GDAL_HTTP_LOW_SPEED_TIME", "2")
    over = threading.Event()

    def answer(call: socket.socket) -> None:
        with call, suppress(OSError):
            if request.param == "never answers":
                over.wait()
            call.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
            while not over.wait(0.3):
                call.sendall(b" ")

    def listen() -> None:
        while not over.is_set():
            with suppress(TimeoutError):
                call, _ = server.accept()
                threading.Thread(target=answer, args=(call,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        thread = threading.Thread(target=listen)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        over.set()
        thread.join()


def test_slow_servers_are_given_up_in_one_line(slow: str) -> None:
    for read in (
        lambda: open_raster(f"{slow}/a.tif"),
        lambda: open_item(f"{slow}/item.json", ["red"]),
        lambda: open_shapes(f"{slow}/a.gpkg"),
    ):
        start = time.monotonic()
        with pytest.raises(DataError, match=r"127\.0\.0\.1") as refused:
            read()
        assert time.monotonic() - start < 60
        assert "\n" not in str(refused.value)
