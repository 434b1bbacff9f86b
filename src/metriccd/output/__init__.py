"""The output folder: it appears whole or not at all, and nothing that is not ours is ever lost.

In: where OUT is, what is read meanwhile, and files that a result consists of.
Out: OUT, with a list of what was written; a hidden folder beside it while it is being made.
"""

from metriccd.output.additions import add_together, additions, require_ours, write_together
from metriccd.output.folder import (
    discard,
    named,
    output_folder,
    parents_of,
    restored,
    unfinished_folder,
)
from metriccd.output.inputs import require_log
from metriccd.output.lock import LOCK, locked
from metriccd.output.marker import Marker, told_beside
from metriccd.output.names import PAIRS, RECORD, RESULT
from metriccd.output.place import hidden_path
from metriccd.output.workshop import earlier_path

__all__ = [
    "LOCK",
    "PAIRS",
    "RECORD",
    "RESULT",
    "Marker",
    "add_together",
    "additions",
    "discard",
    "earlier_path",
    "hidden_path",
    "locked",
    "named",
    "output_folder",
    "parents_of",
    "require_log",
    "require_ours",
    "restored",
    "told_beside",
    "unfinished_folder",
    "write_together",
]
