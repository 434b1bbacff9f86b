"""The server: one process, one port of this machine, until it is interrupted."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import threading
import webbrowser
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from metriccd.errors import DataError
from metriccd.view.app import App
from metriccd.view.catalog import Entry
from metriccd.view.guard import Guard, Tokens

HOST = "127.0.0.1"
# Seconds in which requests that are going on may end.
PATIENCE = 2
# Seconds in which whoever connects has to ask something: files that are open are not many.
HURRY = 10


class Connection(H11Protocol):
    """A connection, which ends where nothing is asked."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begins."""
        super().connection_made(transport)
        self.loop.call_later(HURRY, self._asked_or_ended)

    def _asked_or_ended(self) -> None:
        if self.cycle is None:
            self.transport.abort()


class Server:
    """A viewer of results, which listens from now on and answers once it runs."""

    def __init__(self, entries: Sequence[Entry], *, port: int = 0) -> None:
        """On a port.

        Args:
            entries: What can be looked at.
            port: Where; 0: wherever there is room.

        Raises:
            DataError: The port is taken.
        """
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            if os.name == "posix":
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.bind((HOST, port))
            # A browser that comes before the server runs waits.
            self._socket.listen()
        except (OSError, OverflowError) as error:
            self._socket.close()
            reason = getattr(error, "strerror", None) or error
            raise DataError(
                f"--port must be free: {port} is not ({reason}); leave it out, or choose another"
            ) from None
        self.port = int(self._socket.getsockname()[1])
        self._tokens = Tokens()
        self._app = App(entries)
        self._app.prepare()
        self._server = uvicorn.Server(
            uvicorn.Config(
                Guard(self._app.asgi, self._tokens, self.port),
                log_level="error",
                access_log=False,
                lifespan="off",
                loop="asyncio",
                http=Connection,
                ws="none",
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=PATIENCE,
            )
        )

    @property
    def address(self) -> str:
        """What to type into a browser."""
        return f"http://{HOST}:{self.port}/?token={self._tokens.typed}"

    def open_browser(self) -> bool:
        """Opens it in the browser of a desktop; False where there is none."""
        if sys.platform.startswith("linux") and not (
            os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
        ):
            # What is found without a desktop would fill the terminal.
            return False
        with suppress(webbrowser.Error, OSError):
            return webbrowser.open(f"http://{HOST}:{self.port}/?token={self._tokens.opened}")
        return False

    def run(self) -> None:
        """Answers until the process is interrupted."""
        try:
            # An interrupt ends the server, and comes again when it has ended.
            with suppress(KeyboardInterrupt), self._until_hung_up():
                self._server.run(sockets=[self._socket])
        finally:
            self._app.close()
            self._socket.close()

    @contextmanager
    def _until_hung_up(self) -> Iterator[None]:
        """A terminal that is closed ends the server, too; uvicorn takes no notice of it."""
        number = getattr(signal, "SIGHUP", None)
        main = threading.current_thread() is threading.main_thread()
        if number is None or not main or signal.getsignal(number) is signal.SIG_IGN:
            yield
            return
        before = signal.signal(number, lambda *_: self.stop())
        try:
            yield
        finally:
            signal.signal(number, before)

    def stop(self) -> None:
        """Ends it, from another thread or a signal."""
        self._server.should_exit = True
