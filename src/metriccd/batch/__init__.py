"""Many pairs on many workers: nothing is computed twice, and one that fails ends no other.

In: a manifest of pairs and what is asked of each; processes of this machine, or a Dask cluster.
Out: a folder of results, with a journal, a summary as GeoParquet, and an index to look at.
"""

from importlib.util import find_spec

from metriccd.errors import DataError

for _name in ("distributed", "pyarrow"):
    if find_spec(_name) is None:
        raise DataError(
            f"many pairs need {_name}, which is not installed: pip install 'metriccd[batch]'"
        )

# ruff: noqa: E402
from metriccd.batch.cluster import Cluster, awaited
from metriccd.batch.manifest import Grammar, Manifest, read_manifest
from metriccd.batch.plan import Plan, plan_batch
from metriccd.batch.run import Patience, run_batch
from metriccd.batch.standing import Standing
from metriccd.batch.summary import INDEX, SUMMARY

__all__ = [
    "INDEX",
    "SUMMARY",
    "Cluster",
    "Grammar",
    "Manifest",
    "Patience",
    "Plan",
    "Standing",
    "awaited",
    "plan_batch",
    "read_manifest",
    "run_batch",
]
