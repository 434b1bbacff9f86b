"""Results against references, which detection never sees.

In: data sets, references, methods and presets.
Out: accuracies, error maps, curves; comparisons on a pair and leaderboards over data sets.
"""

from metriccd.benchmark.comparison import choose_rows, compare
from metriccd.benchmark.datasets import find_pairs
from metriccd.benchmark.journal import kept
from metriccd.benchmark.places import read_places
from metriccd.benchmark.run import benchmark, benchmark_sets, choose_entries
from metriccd.benchmark.sets import read_sets
from metriccd.benchmark.survey import SURVEY_COLUMNS
from metriccd.benchmark.tables import BASIS, COLUMNS, basis_line, cell, marked
from metriccd.benchmark.trial import with_checkpoints

__all__ = [
    "BASIS",
    "COLUMNS",
    "SURVEY_COLUMNS",
    "basis_line",
    "benchmark",
    "benchmark_sets",
    "cell",
    "choose_entries",
    "choose_rows",
    "compare",
    "find_pairs",
    "kept",
    "marked",
    "read_places",
    "read_sets",
    "with_checkpoints",
]
