"""The app: what is answered to which address. The guard stands before it."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Sequence
from functools import partial
from importlib.resources import files
from typing import Any

from starlette.applications import Starlette
from starlette.convertors import IntegerConvertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from metriccd.errors import MetricCDError
from metriccd.view.catalog import PAGE, Entry
from metriccd.view.crew import Crew
from metriccd.view.desk import AskError, Desk, whole
from metriccd.view.shelf import Shelf

# All that is ever sent of the package; nothing is looked up by a name that a request gives.
STATIC = {
    "page.html": "text/html; charset=utf-8",
    "list.html": "text/html; charset=utf-8",
    "page.css": "text/css",
    "page.mjs": "text/javascript",
    "common.mjs": "text/javascript",
    "first.mjs": "text/javascript",
    "map.mjs": "text/javascript",
    "look.mjs": "text/javascript",
    "print.mjs": "text/javascript",
    "review.mjs": "text/javascript",
    "list.mjs": "text/javascript",
    "icon.svg": "image/svg+xml",
    "vendor/maplibre-gl.mjs": "text/javascript",
    "vendor/maplibre-gl-worker.mjs": "text/javascript",
    "vendor/maplibre-gl.css": "text/css",
}
# Threads that read tiles, and bytes of an answer at most.
THREADS, LONGEST = 4, 4096
# A tile stays what it is as long as its address, which names the result's version.
KEEP = {"Cache-Control": "private, max-age=86400, immutable"}
STRETCHES = ("one", "each")
NEVER = {"Cache-Control": "no-store"}
EXPORTED = {"gpkg": "application/geopackage+sqlite3", "geojson": "application/geo+json"}


class Number(IntegerConvertor):
    """A number in an address; there is nothing at one with more digits."""

    regex = "[0-9]{1,15}"


register_url_convertor("number", Number())


class App:
    """Answers of one viewer."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        """Of results."""
        self._entries = entries
        self._shelf = Shelf(entries)
        self._crew = Crew(THREADS)
        root = files("metriccd.view") / "static"
        self._files = {name: root.joinpath(name).read_bytes() for name in STATIC}
        one = "/r/{number:number}"
        self.asgi = Starlette(
            routes=[
                Route("/", self.start),
                Route("/results", self.results),
                Route("/static/{name:path}", self.static),
                Route(f"{one}/", self.page),
                Route(f"{one}/facts", self.facts),
                Route(f"{one}/state", self.state),
                Route(f"{one}/contents", self.contents),
                Route(f"{one}/tiles/{{layer}}/{{z:number}}/{{x:number}}/{{y:number}}", self.tile),
                Route(f"{one}/outlines/{{z:number}}/{{x:number}}/{{y:number}}", self.outlines),
                Route(f"{one}/objects", self.objects),
                Route(f"{one}/objects/{{id:number}}", self.object),
                Route(f"{one}/pixel/{{row:number}}/{{col:number}}", self.pixel),
                Route(f"{one}/review", self.review),
                Route(f"{one}/answer", self.answer, methods=["POST"]),
                Route(f"{one}/undo", self.undo, methods=["POST"]),
                Route(f"{one}/accepted.{{kind}}", self.accepted),
            ],
            exception_handlers={MetricCDError: _told, OSError: _gone, AskError: _wrong},
        )

    def prepare(self) -> None:
        """Opens what will be asked for first."""
        if len(self._entries) == 1:
            self._crew.ask(partial(self._shelf.take, 0))

    def close(self) -> None:
        """Ends what is going on."""
        self._shelf.close()
        self._crew.close()

    async def _do(self, work: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """Work that reads files, on another thread."""
        return await asyncio.wrap_future(self._crew.ask(partial(work, *arguments, **options)))

    async def _desk(self, request: Request) -> Desk:
        number = request.path_params["number"]
        if number >= len(self._entries):
            raise HTTPException(404)
        desk: Desk = await self._do(self._shelf.take, number)
        return desk

    async def start(self, request: Request) -> Response:
        """The list of results, or the page of the only one."""
        if len(self._entries) == 1:
            return Response(status_code=307, headers={"Location": "/r/0/"} | NEVER)
        return self._file(request, "list.html")

    async def results(self, request: Request) -> Response:
        """A part of the list."""
        wanted = request.query_params.get("name", "").lower()
        first = max(whole(request.query_params.get("from", 0)), 0)
        named = [(n, e) for n, e in enumerate(self._entries) if wanted in e.name.lower()]
        part = named[first : first + PAGE]
        rows = await self._do(lambda: [each.facts() | {"number": n} for n, each in part])
        return _json({"count": len(named), "rows": rows})

    async def static(self, request: Request) -> Response:
        """A file of the package."""
        return self._file(request, request.path_params["name"])

    async def page(self, request: Request) -> Response:
        """The page of a result."""
        if request.path_params["number"] >= len(self._entries):
            raise HTTPException(404)
        return self._file(request, "page.html")

    async def facts(self, request: Request) -> Response:
        """What the page must know of it."""
        desk = await self._desk(request)
        desk.asked()
        return _json(desk.scene.facts() | desk.state() | {"several": len(self._entries) > 1})

    async def state(self, request: Request) -> Response:
        """What may have changed of it since."""
        return _json((await self._desk(request)).state())

    async def contents(self, request: Request) -> Response:
        """What the page must know of the objects."""
        desk = await self._desk(request)
        return _json(await self._do(_contents, desk))

    async def tile(self, request: Request) -> Response:
        """A picture."""
        desk, path = await self._desk(request), request.path_params
        place = path["z"], path["x"], path["y"]
        desk.asked()
        layer, stretch = path["layer"], request.query_params.get("stretch", "one")
        if layer not in desk.scene.rasters or stretch not in STRETCHES:
            raise HTTPException(404)
        content = await self._do(desk.tiles.picture, layer, *place, stretch)
        return Response(content, media_type="image/png", headers=KEEP)

    async def outlines(self, request: Request) -> Response:
        """A vector tile."""
        desk, path = await self._desk(request), request.path_params
        desk.asked()
        place = path["z"], path["x"], path["y"]
        content = await self._do(lambda: desk.contents.outlines.tile(*place))
        headers = KEEP | {"Content-Type": "application/vnd.mapbox-vector-tile"}
        return Response(content, headers=headers)

    async def objects(self, request: Request) -> Response:
        """A part of the list of objects."""
        desk = await self._desk(request)
        return _json(await self._do(desk.listed, dict(request.query_params)))

    async def object(self, request: Request) -> Response:
        """All that is known of an object."""
        desk = await self._desk(request)
        return _json(await self._do(desk.described, request.path_params["id"]))

    async def pixel(self, request: Request) -> Response:
        """What the layers say of a pixel."""
        desk, path = await self._desk(request), request.path_params
        return _json(await self._do(desk.pixel, path["row"], path["col"]))

    async def review(self, request: Request) -> Response:
        """How far the review is, and whose turn it is."""
        desk = await self._desk(request)
        told = request.query_params.get("passed", "")
        passed = {whole(part) for part in told.split(",") if part}
        return _json(await self._do(desk.review, passed))

    async def answer(self, request: Request) -> Response:
        """Takes an answer."""
        desk = await self._desk(request)
        return _json(await self._do(desk.answer, await _sent(request)))

    async def undo(self, request: Request) -> Response:
        """Takes the last answer back."""
        desk = await self._desk(request)
        return _json(await self._do(desk.undo, await _sent(request)))

    async def accepted(self, request: Request) -> Response:
        """The accepted objects as a file."""
        desk, kind = await self._desk(request), request.path_params["kind"]
        content = await self._do(desk.accepted, kind)
        headers = NEVER | {"Content-Disposition": f'attachment; filename="accepted.{kind}"'}
        return Response(content, media_type=EXPORTED[kind], headers=headers)

    def _file(self, request: Request, name: str) -> Response:
        if name not in STATIC:
            raise HTTPException(404)
        tag = f'"{hashlib.sha256(self._files[name]).hexdigest()[:32]}"'
        headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(self._files[name], media_type=STATIC[name], headers=headers)


def _contents(desk: Desk) -> dict[str, Any]:
    return desk.contents.facts()


async def _sent(request: Request) -> dict[str, Any]:
    """What the page sends: an object of JSON, not a long one."""
    content = b""
    try:
        async for part in request.stream():
            content += part
            if len(content) > LONGEST:
                raise HTTPException(413)
    except ClientDisconnect:
        raise HTTPException(400) from None
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        raise HTTPException(400) from None
    if not isinstance(found, dict):
        raise HTTPException(400)
    return found


def _json(content: dict[str, Any], status: int = 200) -> Response:
    # Names of files need not be Unicode: escaped, they pass.
    told = json.dumps(content, allow_nan=False, separators=(",", ":"))
    return Response(told, status, headers=NEVER, media_type="application/json")


def _told(_request: Request, error: Exception) -> Response:
    return _json({"error": str(error)}, 409)


def _gone(_request: Request, error: Exception) -> Response:
    told = f"files of the result must stay while they are looked at: {error}"
    return _json({"error": told[:300]}, 409)


def _wrong(_request: Request, error: Exception) -> Response:
    return _json({"error": str(error)}, 400)
