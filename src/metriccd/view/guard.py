"""The guard: who may ask anything at all, and what the answer may do in a browser."""

from __future__ import annotations

import secrets
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs

from starlette.datastructures import MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

# Nothing but this server: MapLibre's own worker, its images as blobs, the data URLs of its sheet.
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "worker-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
# Seconds in which the browser that we open has to come.
PATIENCE = 120.0
USUAL = 80
# What a browser says of a request that no other site made.
OWN = {"same-origin", "none"}


@dataclass
class Tokens:
    """Secrets of one run.

    Attributes:
        typed: In the address that the terminal shows; it holds as long as the server runs.
        opened: In the address with which a browser is opened; it holds once, and not for long,
            because other users of the machine may see with what programs were started.
        cookie: What the browser says from then on.
    """

    typed: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    opened: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    cookie: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    _until: float = field(default_factory=lambda: time.monotonic() + PATIENCE)
    _used: bool = False

    def admits(self, token: str) -> bool:
        """Whether a token in an address opens the door."""
        if secrets.compare_digest(token.encode(), self.typed.encode()):
            return True
        fits = secrets.compare_digest(token.encode(), self.opened.encode())
        fresh = not self._used and time.monotonic() < self._until
        self._used = self._used or fits
        return fits and fresh


class Guard:
    """Lets requests through that come from this machine's own page, and no others."""

    def __init__(self, app: App, tokens: Tokens, port: int) -> None:
        """Before an app.

        Args:
            app: What is guarded.
            tokens: Secrets of this run.
            port: On which the server listens.
        """
        self._app, self._tokens = app, tokens
        names = {"127.0.0.1", "localhost"}
        # Browsers leave out the port that all web servers have.
        self._hosts = {f"{name}:{port}" for name in names} | (names if port == USUAL else set())
        # Cookies do not know ports: another run must not take ours for its own.
        self._name = f"metriccd-{port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        refusal = self._refusal(scope)

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
            await send(message)

        await (refusal or self._app)(scope, receive, with_headers)

    def _refusal(self, scope: Scope) -> Response | None:
        """What to answer instead of the app; None where the request may pass."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in _once(scope)}
        origin = headers.get("origin")
        foreign = origin is not None and origin.removeprefix("http://") not in self._hosts
        if headers.get("host") not in self._hosts:
            return _refused("the address must be this server's: open the one that it printed")
        if foreign or headers.get("sec-fetch-site", "none") not in OWN:
            return _refused("other pages may not ask")
        query = parse_qs(scope["query_string"].decode("latin-1"))
        if scope["path"] == "/" and "token" in query:
            return self._admitted(query["token"][0])
        if not self._known(headers.get("cookie", "")):
            return _refused("open the address that metriccd view printed: it holds the token")
        plain = scope["method"] in {"GET", "HEAD"}
        if plain or (origin is not None and headers.get("content-type") == "application/json"):
            return None
        return _refused("only the page itself may answer")

    def _admitted(self, token: str) -> Response:
        if not self._tokens.admits(token):
            return _refused("the token must be this server's: open the address that it printed")
        response = RedirectResponse("/", status_code=303)
        response.set_cookie(
            self._name, self._tokens.cookie, httponly=True, samesite="strict", path="/"
        )
        return response

    def _known(self, cookie: str) -> bool:
        try:
            found = SimpleCookie(cookie).get(self._name)
        except CookieError:
            return False
        said = "" if found is None else found.value
        return secrets.compare_digest(said.encode(), self._tokens.cookie.encode())


def _once(scope: Scope) -> list[tuple[bytes, bytes]]:
    """Headers by name; of a name that comes twice none counts that we ask for."""
    names = [name for name, _ in scope["headers"]]
    return [(name, value) for name, value in scope["headers"] if names.count(name) == 1]


def _refused(why: str) -> Response:
    return PlainTextResponse(f"refused: {why}\n", status_code=403)
