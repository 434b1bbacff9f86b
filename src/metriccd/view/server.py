"""The server: one process, one port of this machine, until it is interrupted."""

from __future__ import annotations

import os
import socket
import sys
import webbrowser
from collections.abc import Sequence
from contextlib import suppress

import uvicorn

from metriccd.errors import DataError
from metriccd.view.app import App
from metriccd.view.catalog import Entry
from metriccd.view.guard import Guard, Tokens

HOST = "127.0.0.1"
# Seconds in which requests that are going on may end.
PATIENCE = 2


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
                http="h11",
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
            with suppress(KeyboardInterrupt):
                self._server.run(sockets=[self._socket])
        finally:
            self._app.close()
            self._socket.close()

    def stop(self) -> None:
        """Ends it, from another thread."""
        self._server.should_exit = True
