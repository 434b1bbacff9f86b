"""Serves a folder on 127.0.0.1 without range requests; prints its port.

Files have no age where the folder holds one that is called "undated". It is a process of its own:
rasterio holds Python's lock while GDAL looks for files beside an image, so that a server in a
thread could not answer.
"""

from __future__ import annotations

import functools
import http.server
import sys
from pathlib import Path


class Plain(http.server.SimpleHTTPRequestHandler):
    """A server of files that may not say how old they are."""

    def send_header(self, keyword: str, value: str) -> None:
        if keyword != "Last-Modified" or not Path(self.directory, "undated").exists():
            super().send_header(keyword, value)

    def log_message(self, *_arguments: object) -> None:
        pass


if __name__ == "__main__":
    handler = functools.partial(Plain, directory=sys.argv[1])
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        sys.stdout.write(f"{server.server_port}\n")
        sys.stdout.flush()
        server.serve_forever()
