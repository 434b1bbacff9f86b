"""Results against references, which detection never sees.

In: data sets, references, methods and presets.
Out: accuracies, error maps, curves; comparisons on a pair and leaderboards over data sets.
"""

from metriccd.benchmark.comparison import choose_methods, compare
from metriccd.benchmark.datasets import find_pairs
from metriccd.benchmark.evaluation import evaluate, evaluate_folder, labeled
from metriccd.benchmark.journal import kept
from metriccd.benchmark.metrics import Scores
from metriccd.benchmark.run import benchmark, choose_entries
from metriccd.benchmark.tables import BASIS, COLUMNS, basis_line, cell

__all__ = [
    "BASIS",
    "COLUMNS",
    "Scores",
    "basis_line",
    "benchmark",
    "cell",
    "choose_entries",
    "choose_methods",
    "compare",
    "evaluate",
    "evaluate_folder",
    "find_pairs",
    "kept",
    "labeled",
]
