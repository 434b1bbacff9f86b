"""Methods that others publish figures of, each fitted on parts of a scene.

In: parts that stand for a scene, and a seed or a frozen network.
Out: what measures any window: objects, kernel principal components, difference subspaces, slow
networks, features of a frozen network.
"""

from metriccd.peers.cosine import fit_cosine
from metriccd.peers.kernels import fit_kernels
from metriccd.peers.objects import fit_objects
from metriccd.peers.slow_networks import fit_slow_networks
from metriccd.peers.subspace import fit_subspace

__all__ = ["fit_cosine", "fit_kernels", "fit_objects", "fit_slow_networks", "fit_subspace"]
