"""Networks, their weights, and where and in how many bits they compute.

In: names of weights, files of weights, tensors.
Out: feature extractors (D-FE), generators (D-CPG), distances of features, crops' colors.
"""

from metriccd.nets.augmentation import jitter
from metriccd.nets.cosine import cosine_distance
from metriccd.nets.efficientnet import PACKAGED, packaged
from metriccd.nets.embedded import MEAN, SPREAD, MetricExtractor, enlarge
from metriccd.nets.features import load_extractor
from metriccd.nets.generators import GENERATORS
from metriccd.nets.precision import Size, autocast, instructions, on_cpu, on_device, place
from metriccd.nets.weights import WEIGHTS, fetch, import_file, installed
from metriccd.nets.weights import folder as weights_folder

__all__ = [
    "GENERATORS",
    "MEAN",
    "PACKAGED",
    "SPREAD",
    "WEIGHTS",
    "MetricExtractor",
    "Size",
    "autocast",
    "cosine_distance",
    "enlarge",
    "fetch",
    "import_file",
    "installed",
    "instructions",
    "jitter",
    "load_extractor",
    "on_cpu",
    "on_device",
    "packaged",
    "place",
    "weights_folder",
]
