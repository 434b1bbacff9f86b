"""Trust: which names may be opened, and how much may be read, before anything is.

In: names as the user types them, names that files give, and sizes that files declare.
Out: nothing where they may be; else one line that says why not and what allows it.
"""

from metriccd.trust.files import require_file
from metriccd.trust.looking import admit, admit_named, admit_parts
from metriccd.trust.names import is_remote, placed
from metriccd.trust.policy import MAX_PIXELS, Trust, trusted
from metriccd.trust.sizes import free_mib, require_memory, require_size
from metriccd.trust.stamps import Stamp, remembered

__all__ = [
    "MAX_PIXELS",
    "Stamp",
    "Trust",
    "admit",
    "admit_named",
    "admit_parts",
    "free_mib",
    "is_remote",
    "placed",
    "remembered",
    "require_file",
    "require_memory",
    "require_size",
    "trusted",
]
