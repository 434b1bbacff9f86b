"""Results to look at, and a viewer of them that runs."""

from __future__ import annotations

import atexit
import http.client
import json
import shutil
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import shapely
from affine import Affine

import metriccd as mcd
from metriccd.demo.synthetic import land_scene
from metriccd.review import Objects
from metriccd.view import Server, find_results
from raster_files import write

# Of a request that the page itself makes.
OWN = {"Sec-Fetch-Site": "same-origin"}
# Of a scene: two by three tiles, and files with a smaller copy.
SIZE = (300, 560)


def make(folder: Path, *, crs: bool = True, seed: int = 2, size: tuple[int, int] = SIZE) -> Path:
    """A pair and its result: some dozens of objects of several kinds."""
    place: Mapping[str, Any] = {} if crs else {"crs": None, "transform": Affine.identity()}
    scene = land_scene(*size, seed=seed)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [
        write(folder / f"S2_2020{month}01T101021.tif", image, nodata=0, **place)
        for month, image in (("04", scene.t1), ("09", scene.t2))
    ]
    mcd.detect_into(folder / "out", *paths, method="cva", threshold=0.5, min_pixels=3)
    return folder / "out"


@cache
def _kept(crs: bool, size: tuple[int, int]) -> Path:
    """A result that is made once, and never changed."""
    folder = Path(tempfile.mkdtemp(prefix="metriccd-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return make(folder, crs=crs, size=size)


def copied(folder: Path, *, crs: bool = True, size: tuple[int, int] = SIZE) -> Path:
    """A copy of a result, whose images are those of other copies."""
    out = folder / "out"
    shutil.copytree(_kept(crs, size), out)
    return out


def moved(folder: Path, *, size: tuple[int, int] = (96, 128)) -> Path:
    """A copy of a result with images of its own, which a test may change."""
    source = _kept(True, size)
    shutil.copytree(source.parent, folder)
    record = folder / "out" / "run.json"
    record.write_text(record.read_text().replace(str(source.parent), str(folder)))
    return folder / "out"


def boxes(sizes: Sequence[tuple[int, int]], strength: Sequence[float], **more: Any) -> Objects:
    """Objects that are rectangles in a row, of so many columns and rows."""
    shapes, left = [], 0
    for width, height in sizes:
        shapes.append(shapely.box(left, 0, left + width, height))
        left += width + 2
    pixels = np.array([width * height for width, height in sizes])
    count = len(shapes)
    outlines = np.array(shapes, object)
    columns: dict[str, Any] = {
        "ids": np.arange(1, count + 1),
        "pixels": pixels,
        "sizes": pixels.astype(float),
        "in_meters": False,
        "score_mean": np.full(count, 0.7),
        "score_max": np.full(count, 0.9),
        "strength": np.array(strength, float),
        "kinds": np.zeros(count, np.uint8),
        "shapes": outlines,
        "outlines": outlines,
        "boxes": shapely.bounds(outlines).reshape(-1, 4),
    }
    return Objects(**(columns | more))


class Client:
    """What a browser would send, and anybody else."""

    def __init__(self, server: Server) -> None:
        self.host, self.cookie = f"127.0.0.1:{server.port}", ""
        _, headers, _ = self.ask(
            urlsplit(server.address).path + "?" + urlsplit(server.address).query
        )
        self.cookie = headers["set-cookie"].split(";")[0]

    def ask(self, path: str, sent: Any = None, **headers: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and content of an answer; headers are named with _ for -."""
        told = {"Host": self.host, "Cookie": self.cookie} | OWN
        if sent is not None:
            told |= {"Origin": f"http://{self.host}", "Content-Type": "application/json"}
        told |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection("127.0.0.1", int(self.host.split(":")[1]), 30)
        try:
            body = None if sent is None else json.dumps(sent)
            connection.request(
                "GET" if sent is None else "POST",
                path,
                body,
                {name: value for name, value in told.items() if value},
            )
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, found, answer.read()
        finally:
            connection.close()

    def json(self, path: str, sent: Any = None) -> Any:
        """What an answer holds, which must be fine."""
        status, _, content = self.ask(path, sent)
        assert status == 200, content
        return json.loads(content)


@contextmanager
def viewer(*places: Path) -> Iterator[tuple[Server, Client]]:
    """A viewer that answers, and a client that may ask."""
    server = Server(find_results(places))
    # Signals belong to the main thread: they are uvicorn's only where it runs there.
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield server, Client(server)
    finally:
        server.stop()
        thread.join(30)
        assert not thread.is_alive()
