"""Serves a folder on 127.0.0.1 with range requests, as object stores do; prints its port."""

from __future__ import annotations

import functools
import http.server
import io
import re
import sys
from pathlib import Path


class Ranges(http.server.SimpleHTTPRequestHandler):
    """A file server that answers range requests, as object stores do."""

    def send_head(self):
        asked = re.match(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        path = Path(self.translate_path(self.path))
        if asked is None or not path.is_file():
            return super().send_head()
        content = path.read_bytes()
        if len(sys.argv) > 2:
            with Path(sys.argv[2]).open("a", encoding="utf-8") as log:
                log.write(f"{path.name} {asked[0]}\n")
        first, last = int(asked[1]), min(int(asked[2] or len(content)), len(content) - 1)
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{last}/{len(content)}")
        self.send_header("Content-Length", str(last + 1 - first))
        self.end_headers()
        return io.BytesIO(content[first : last + 1])

    def log_message(self, *_arguments) -> None:
        pass


if __name__ == "__main__":
    handler = functools.partial(Ranges, directory=sys.argv[1])
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        sys.stdout.write(f"{server.server_port}\n")
        sys.stdout.flush()
        server.serve_forever()
