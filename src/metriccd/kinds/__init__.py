"""Kinds of change: what a pixel was and became, by stated rules on both dates.

In: a pair, and which of its bands are red, green, blue, near and short-wave infrared.
Out: a kind for every pixel by rules, another one by clusters, and which were asked for.
"""

from metriccd.kinds.asked import BUILT, WATER, Wanted, wanted_kinds
from metriccd.kinds.clusters import MOST
from metriccd.kinds.legend import KINDS, NODATA, NONE, Kind
from metriccd.kinds.mapping import BY_EVIDENCE, KindMap, map_kinds, map_pair, require_kinds, shown
from metriccd.kinds.roles import roles_of
from metriccd.kinds.rules import KindRules

__all__ = [
    "BUILT",
    "BY_EVIDENCE",
    "KINDS",
    "MOST",
    "NODATA",
    "NONE",
    "WATER",
    "Kind",
    "KindMap",
    "KindRules",
    "Wanted",
    "map_kinds",
    "map_pair",
    "require_kinds",
    "roles_of",
    "shown",
    "wanted_kinds",
]
