"""The viewer: results in a browser of this machine, tile by tile, and answers from it.

In: folders of results, or of many of them.
Out: pages for one browser, from one server that nobody else can ask; `review.gpkg` in OUT.
"""

from importlib.util import find_spec

from metriccd.errors import DataError

for _name in ("starlette", "uvicorn"):
    if find_spec(_name) is None:
        raise DataError(
            f"the viewer needs {_name}, which is not installed: pip install 'metriccd[view]'"
        )

# ruff: noqa: E402
from metriccd.view.catalog import find_results
from metriccd.view.server import Server

__all__ = ["Server", "find_results"]
