"""The guard: one browser with the token gets in, and nobody else, by any of the ways there are."""

from __future__ import annotations

import asyncio
import http.client
import socket
from collections.abc import Iterator, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from metriccd.view import Server
from metriccd.view.guard import Guard, Tokens
from viewed import Client, copied, viewer


@pytest.fixture(scope="module")
def running(tmp_path_factory) -> Iterator[tuple[Server, Client, Path]]:
    out = copied(tmp_path_factory.mktemp("made"), size=(96, 128))
    with viewer(out) as (server, client):
        yield server, client, out


EVERYTHING = (
    *("/", "/results", "/static/page.mjs", "/static/vendor/maplibre-gl.mjs", "/r/0/", "/r/0/facts"),
    *("/r/0/state", "/r/0/contents", "/r/0/objects", "/r/0/objects/1", "/r/0/review"),
    *("/r/0/tiles/t1/2/1/1", "/r/0/outlines/1/0/0", "/r/0/pixel/0/0", "/r/0/accepted.gpkg"),
)


@pytest.mark.parametrize("path", EVERYTHING)
def test_nothing_is_told_without_the_cookie(running, path: str) -> None:
    _, client, _ = running
    for cookie in ("", "metriccd=1", f"{client.cookie}x", client.cookie.split("=")[0] + "="):
        status, headers, content = client.ask(path, Cookie=cookie)
        assert status == 403
        assert content.startswith(b"refused: ")
        assert "default-src 'none'" in headers["content-security-policy"]


@pytest.mark.parametrize("path", EVERYTHING)
@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:{port}"},
        {"Host": "127.0.0.1.evil.example:{port}"},
        {"Host": "127.0.0.1:1"},
        {"Host": "127.0.0.1"},
        {"Host": "[::1]:{port}"},
        {"Origin": "http://evil.example"},
        {"Origin": "https://127.0.0.1:{port}"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
        # Another server of this machine is the same site, but not the same origin.
        {"Sec_Fetch_Site": "same-site"},
    ],
)
def test_other_pages_and_hosts_are_refused_even_with_the_cookie(running, path, headers) -> None:
    server, client, _ = running
    told = {name: value.format(port=server.port) for name, value in headers.items()}
    assert client.ask(path, **told)[0] == 403


def test_the_page_itself_is_let_in(running) -> None:
    server, client, _ = running
    for path in EVERYTHING[1:]:
        status, headers, _ = client.ask(path, Origin=f"http://127.0.0.1:{server.port}")
        assert status == 200, path
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-resource-policy"] == "same-origin"


def test_the_policy_allows_nothing_but_the_server_itself(running) -> None:
    _, client, _ = running
    policy = client.ask("/r/0/")[1]["content-security-policy"]
    sources = {source for rule in policy.split("; ") for source in rule.split(" ")[1:]}
    assert sources == {"'none'", "'self'", "blob:", "data:"}
    assert "script-src 'self';" in policy
    assert "connect-src 'self';" in policy


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(running) -> None:
    server, client, _ = running
    query = urlsplit(server.address).query
    status, headers, _ = client.ask(f"/?{query}", Cookie="")
    assert status == 303
    assert headers["location"] == "/"
    attributes = {part.strip().lower() for part in headers["set-cookie"].split(";")[1:]}
    assert attributes == {"httponly", "path=/", "samesite=strict"}
    assert str(server.port) in client.cookie.split("=")[0]


@pytest.mark.parametrize("token", ["", "x", "ä", "0" * 43])
def test_a_wrong_token_is_refused_and_sets_no_cookie(running, token: str) -> None:
    _, client, _ = running
    status, headers, _ = client.ask(f"/?token={token.encode().hex()}", Cookie="")
    assert status == 403
    assert "set-cookie" not in headers


def test_a_token_opens_only_the_door(running) -> None:
    server, client, _ = running
    query = urlsplit(server.address).query
    assert client.ask(f"/r/0/facts?{query}", Cookie="")[0] == 403


def test_what_a_browser_is_started_with_opens_once() -> None:
    tokens = Tokens()
    assert tokens.admits(tokens.opened)
    assert not tokens.admits(tokens.opened)
    assert tokens.admits(tokens.typed)
    assert tokens.admits(tokens.typed)
    assert len({tokens.typed, tokens.opened, tokens.cookie}) == 3
    late = Tokens(_until=0.0)
    assert not late.admits(late.opened)


@pytest.mark.parametrize("path", ["/r/0/answer", "/r/0/undo"])
def test_only_the_page_itself_may_change_anything(running, path: str) -> None:
    _, client, out = running
    sent = {"object": 1, "answer": "accepted", "stamp": client.json("/r/0/state")["stamp"]}
    for headers in (
        {"Origin": ""},
        {"Origin": "http://evil.example"},
        # What a form of another page could send without asking first.
        {"Content_Type": "text/plain"},
        {"Content_Type": "application/x-www-form-urlencoded"},
        {"Content_Type": ""},
        {"Cookie": ""},
        {"Sec_Fetch_Site": "same-site"},
    ):
        assert client.ask(path, sent, **headers)[0] == 403, headers
    # Nor by a link.
    assert client.ask(path)[0] == 405
    assert not (out / "review.gpkg").exists()


def test_headers_that_come_twice_count_as_none(running) -> None:
    server, client, _ = running
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.putrequest("GET", "/r/0/facts", skip_host=True)
    for host in (client.host, "evil.example"):
        connection.putheader("Host", host)
    connection.putheader("Cookie", client.cookie)
    connection.endheaders()
    assert connection.getresponse().status in {400, 403}
    connection.close()


def test_nobody_outside_this_machine_can_reach_it(running) -> None:
    server, _, _ = running
    own = {each[4][0] for each in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    for address in own - {"127.0.0.1"}:
        with socket.socket() as other:
            other.settimeout(2)
            assert other.connect_ex((address, server.port)) != 0
    with socket.socket(socket.AF_INET6) as other:
        other.settimeout(2)
        assert other.connect_ex(("::1", server.port)) != 0


def test_websockets_are_not_spoken(running) -> None:
    _, client, _ = running
    status, _, _ = client.ask(
        "/r/0/facts",
        Upgrade="websocket",
        Connection="Upgrade",
        Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZQ==",
        Sec_WebSocket_Version="13",
    )
    assert status != 101


@pytest.mark.parametrize(("port", "status"), [(80, 303), (8080, 403)])
def test_on_the_port_that_browsers_do_not_name_the_address_is_ours(port: int, status: int) -> None:
    tokens, told = Tokens(), []
    scope = {"type": "http", "method": "GET", "path": "/", "headers": [(b"host", b"127.0.0.1")]}
    scope["query_string"] = f"token={tokens.typed}".encode()

    async def nothing(*_: Any) -> Any:
        pytest.fail("the guard answers by itself")

    async def send(message: MutableMapping[str, Any]) -> None:
        told.append(message.get("status"))

    # In a thread of its own: a browser's loop may run in this one.
    with ThreadPoolExecutor() as pool:
        pool.submit(asyncio.run, Guard(nothing, tokens, port)(scope, nothing, send)).result()
    assert told[0] == status
