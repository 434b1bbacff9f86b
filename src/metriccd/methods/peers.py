"""Methods that others publish figures of, as entries of `METHODS`."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from metriccd.methods.method import Method, Options, WindowedMethod, choose_device
from metriccd.nets import load_extractor
from metriccd.pair import Source, three
from metriccd.peers import fit_cosine, fit_kernels, fit_objects, fit_slow_networks, fit_subspace
from metriccd.recipe import seen_by
from metriccd.scene import Fitted, representative


def _fitted(fit: Callable[..., Fitted], *, seeded: bool = True) -> WindowedMethod:
    """A method that is fitted on parts of a scene."""

    def fitted(source: Source, options: Options) -> Fitted:
        parts = representative(source, seed=options.seed, stages=options.stages)
        told = {"seed": options.seed, "device": choose_device(options.device)} if seeded else {}
        with options.stages.stage("fit"):
            return fit(parts, **told)

    return WindowedMethod(fitted)


def _fit_cosine(source: Source, options: Options) -> Fitted:
    """The angle between both dates' features of a frozen network."""
    parts = representative(source, seed=options.seed, stages=options.stages)
    with options.stages.stage("color"):
        return fit_cosine(
            parts,
            rgb=three(options.rgb, len(parts[0].t1)),
            network=seen(options),
            color_factor=options.color_factor,
        )


def seen(options: Options) -> nn.Module:
    """The network that a method looks through, which is not kept with its fit."""
    return seen_by(load_extractor(options.extractor), choose_device(options.device))


PEERS: dict[str, Method] = {
    "object_cva": _fitted(fit_objects, seeded=False),
    "kpca_mnet": _fitted(fit_kernels),
    "dsfa": _fitted(fit_slow_networks),
    "difference_subspace": _fitted(fit_subspace),
    "feature_cosine": WindowedMethod(_fit_cosine, network=seen),
}
