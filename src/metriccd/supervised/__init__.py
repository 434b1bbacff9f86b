"""Supervised baselines: networks that learn change from references of other places.

In: pairs with references to learn from; a checkpoint and a pair to measure.
Out: checkpoints with their cards; a probability of change, always called supervised.
"""

from metriccd.supervised.checkpoint import (
    TAUGHT,
    about_checkpoint,
    card_of,
    load_checkpoint,
)
from metriccd.supervised.importing import import_seco, installed_seco
from metriccd.supervised.predicting import fit_supervised, placed_network
from metriccd.supervised.samples import Place
from metriccd.supervised.training import Training, train

__all__ = [
    "TAUGHT",
    "Place",
    "Training",
    "about_checkpoint",
    "card_of",
    "fit_supervised",
    "import_seco",
    "installed_seco",
    "load_checkpoint",
    "placed_network",
    "train",
]
