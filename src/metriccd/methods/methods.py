"""Every method by name: the recipe, the paper's, and the classical difference images."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Float
from torch import nn

from metriccd import difference
from metriccd.methods.method import Method, Options, WholeMethod, WindowedMethod, choose_device
from metriccd.methods.peers import PEERS, seen
from metriccd.nets import load_extractor
from metriccd.pair import Block, Source, UnitRange, between_extremes, polynomial_correction, three
from metriccd.paper import deep_cva, fit_pair
from metriccd.recipe import (
    Compact,
    Fusion,
    compact_block,
    compacted,
    deep_distance,
    fit_fusion,
)
from metriccd.scene import Difference, Fitted, representative
from metriccd.storage import storable
from metriccd.supervised import TAUGHT, fit_supervised, placed_network


def _fit_fusion(source: Source, options: Options) -> Fitted:
    """Prediction, deep features and the plain difference, multiplied, in both directions."""
    parts = representative(source, seed=options.seed, stages=options.stages)
    rgb = three(options.rgb, len(parts[0].t1))
    compact = compacted(parts, rgb)
    parts = [compact_block(part, compact) for part in parts]
    found = fit_fusion(
        parts,
        rgb=rgb if compact is None else (0, 1, 2),
        extractor=load_extractor(options.extractor),
        plain_features=options.plain_features,
        direction=options.direction,
        ground=options.ground,
        color_factor=options.color_factor,
        seed=options.seed,
        device=choose_device(options.device),
        stages=options.stages,
    )
    return Fitted(
        measure=_Fused(found, compact),
        merge=_only,
        leans=True,
        halo=found.halo,
        stride=found.stride,
        # Around 1 where nothing special happens, unless all distances are rounding errors.
        floor=1.0,
        facts={"scale": round(found.scale, 3), "weight of appeared": round(found.weight, 3)},
    )


@storable
@dataclass(frozen=True)
class _Fused:
    """What the recipe measures of a window.

    Attributes:
        found: The recipe, fitted.
        compact: Makes few bands of many; None where there are few.
    """

    found: Fusion
    compact: Compact | None

    def __call__(self, block: Block) -> Float[np.ndarray, "2 row col"]:
        return self.found(*compact_block(block, self.compact))


@storable
def _only(components: Float[np.ndarray, "1 row col"]) -> Float[np.ndarray, "row col"]:
    """The component that there is."""
    image: Float[np.ndarray, "row col"] = components[0]
    return image


def _metric(block: Block, options: Options) -> Difference:
    """Deep metric learning on this pair: eq. 1–9 (Bandara & Patel)."""
    fit = fit_pair(
        *in_one_range(block, options),
        rgb=three(options.rgb, len(block.t1)),
        extractor=load_extractor(options.extractor, levels=options.fit.levels),
        settings=options.fit,
        seed=options.seed,
        device=choose_device(options.device),
        stages=options.stages,
    )
    return Difference(image=fit.probability, probability=True, history=fit.history)


def _closed_form(block: Block, options: Options) -> Difference:
    """Color correction, feature and spectral distances, smoothing; no fitting."""
    distance = deep_distance(
        *in_one_range(block, options),
        rgb=three(options.rgb, len(block.t1)),
        extractor=load_extractor(options.extractor),
        device=choose_device(options.device),
        stages=options.stages,
    )
    # Each of four distances counts 1 on average, unless it is nothing but rounding errors.
    return Difference(image=distance, floor=1.0)


def _deep_cva(block: Block, options: Options, *, share: float) -> Difference:
    """Deep change vector analysis, which scales each date by itself: no color correction.

    A share of 1 is all channels of all levels, which suits our extractor (docs/benchmark.md).
    """
    distance = deep_cva(
        *block,
        rgb=three(options.rgb, len(block.t1)),
        extractor=load_extractor(
            options.extractor, levels=options.fit.levels if share < 1 else None
        ),
        share=share,
        device=choose_device(options.device),
        stages=options.stages,
    )
    return Difference(image=distance)


def _classical(fit: Callable[..., difference.DifferenceImage]) -> WindowedMethod:
    """A classical difference image, fitted on the pair and applied to it."""

    def fitted(source: Source, options: Options) -> Fitted:
        with options.stages.stage("difference"):
            found = fit(_WithoutInvalid(source))
        return Fitted(
            measure=_Applied(found),
            merge=_Merged(found),
            components=found.components,
            halo=found.halo,
            chi2_dof=found.chi2_dof,
            warnings=found.warnings,
        )

    return WindowedMethod(fitted)


@storable
@dataclass(frozen=True)
class _Applied:
    """The components of a window by a classical method."""

    found: difference.DifferenceImage

    def __call__(self, block: Block) -> Float[np.ndarray, "component row col"]:
        t1, t2, _ = _without_invalid(block)
        return self.found.apply(t1, t2)


@storable
@dataclass(frozen=True)
class _Merged:
    """One value a pixel, as a classical method merges its components."""

    found: difference.DifferenceImage

    def __call__(
        self, components: Float[np.ndarray, "component row col"]
    ) -> Float[np.ndarray, "row col"]:
        image = self.found.merge(components)
        # χ, not χ²: squares have a tail so long that rules on gray levels lose all else.
        return image if self.found.chi2_dof is None else np.sqrt(image)


@dataclass(frozen=True)
class _WithoutInvalid:
    """Blocks of a source as classical methods take them: NaN where not valid."""

    source: Source

    def __iter__(self) -> Iterator[Block]:
        return map(_without_invalid, self.source)


def _without_invalid(block: Block) -> Block:
    if block.valid.all():
        return block
    one, other = (
        np.where(block.valid, image, np.float32(np.nan)) for image in (block.t1, block.t2)
    )
    return Block(one, other, block.valid)


def in_one_range(block: Block, options: Options) -> Block:
    """Both images in the colors of t2, in [0, 1]; 0 where not valid."""
    t1, t2, valid = block
    with options.stages.stage("color"):
        if options.scaling == "percentiles":
            ranged = UnitRange.fit([block], factor=options.color_factor)
            return Block(*ranged(t1, t2, valid), valid)
        corrected = polynomial_correction(t1, t2, valid, factor=options.color_factor)
        t1, t2 = (
            np.where(valid, between_extremes(image, valid), 0).astype(np.float32)
            for image in (corrected, t2)
        )
        return Block(t1, t2, valid)


def _supervised(method: str) -> WindowedMethod:
    """A network that references of other places have taught."""

    def fitted(source: Source, options: Options) -> Fitted:
        return fit_supervised(
            source,
            _checkpoint(method, options),
            method=method,
            rgb=options.rgb,
            device=choose_device(options.device),
            stages=options.stages,
        )

    def network(options: Options) -> nn.Module:
        return placed_network(_checkpoint(method, options), choose_device(options.device))

    return WindowedMethod(fitted, network=network)


def _checkpoint(method: str, options: Options) -> Path:
    if options.checkpoint is None:
        raise ValueError(needs_checkpoint(method))
    return Path(options.checkpoint)


def needs_checkpoint(method: str) -> str:
    """What is said where a supervised method has none."""
    network = {"unet": "unet", "seco_pre": "seco --encoder seco"}.get(method, "seco")
    return (
        f"method {method} is supervised and needs a checkpoint: got none; give --checkpoint FILE "
        f"(in Python checkpoint= of detect), which 'metriccd train {network}' writes"
    )


# Methods that tell what appeared from what disappeared.
DIRECTED = frozenset({"fusion"})
# Methods that look at features, and so at weights.
DEEP = frozenset({"fusion", "metric", "closed_form", "deep_cva", "deep_cva_all", "feature_cosine"})

# Methods that references have taught: never a default, never part of "all".
SUPERVISED = frozenset(TAUGHT)

METHODS: dict[str, Method] = {
    "fusion": WindowedMethod(_fit_fusion, network=seen),
    "metric": WholeMethod(_metric),
    "closed_form": WholeMethod(_closed_form),
    "deep_cva": WholeMethod(partial(_deep_cva, share=0.1)),
    "deep_cva_all": WholeMethod(partial(_deep_cva, share=1.0)),
    "image_diff": _classical(difference.image_diff),
    "image_ratio": _classical(difference.image_ratio),
    "image_regr": _classical(difference.image_regr),
    "cva": _classical(difference.cva),
    "mahalanobis": _classical(difference.mahalanobis),
    "dpca": _classical(difference.dpca),
    "pcda": _classical(difference.pcda),
    "pca_kmeans": _classical(difference.pca_kmeans),
    "mad": _classical(difference.mad),
    "irmad": _classical(difference.irmad),
    "irmad_toolbox": _classical(partial(difference.irmad, variance="toolbox")),
    "sfa": _classical(difference.sfa),
    "isfa": _classical(difference.isfa),
    "siroc": _classical(difference.siroc),
    **{name: _supervised(name) for name in TAUGHT},
} | PEERS
