"""Every method by name: the paper's, the closed form, and the classical difference images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Real
from torch import nn

from metriccd import difference, fusion
from metriccd.adaptation import Adaptation
from metriccd.closed_form import deep_distance
from metriccd.color import between_extremes, polynomial_correction, unit_range
from metriccd.deep_cva import deep_cva
from metriccd.fit import PAPER, FitSettings, fit_pair
from metriccd.nets.features import load_extractor
from metriccd.stages import Stages

Scaling = Literal["percentiles", "extremes"]


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a method may be told; classical ones need none of it.

    Attributes:
        rgb: Bands that a feature extractor sees.
        extractor: "embedded", "vgg16", a weights file, or a module (batch, 3, row, col) →
            feature maps.
        fit: Settings of the per-pair optimizer.
        adaptation: How the extractor of "fusion" is taught on the pair; not at all by default.
        color_factor: β of the color correction.
        scaling: How images are brought to [0, 1]: both by common percentiles of each band, or each
            by its own extremes over all bands, as the released code does.
        device: "auto", "cpu", "cuda" or "mps".
        seed: Of everything random.
        stages: Records time and reports progress.
    """

    rgb: tuple[int, int, int] = (0, 1, 2)
    extractor: str | nn.Module = "embedded"
    fit: FitSettings = PAPER
    adaptation: Adaptation = field(default_factory=lambda: Adaptation(steps=0))
    color_factor: int = 4
    scaling: Scaling = "percentiles"
    device: str = "auto"
    seed: int = 0
    stages: Stages = field(default_factory=Stages)


@dataclass(frozen=True, kw_only=True)
class Difference:
    """What a method measured.

    Attributes:
        image: Change measure (row, col), larger = more change; NaN where not valid.
        components: What a classical method merged into `image`, where that was more than one
            band: rules on vectors work on them. NaN where not valid.
        floor: No threshold is lower: smaller values are rounding errors.
        probability: True where `image` is P_c in [0, 1], so that 0.5 means something.
        chi2_dof: Degrees of freedom where the square of `image` is χ²-distributed on unchanged
            pixels.
        history: Curves of the fit, step by step.
        warnings: What the user should know, a line each.
    """

    image: Float[np.ndarray, "row col"]
    components: Float32[np.ndarray, "component row col"] | None = field(default=None, repr=False)
    floor: float = 0.0
    probability: bool = False
    chi2_dof: int | None = None
    history: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@runtime_checkable
class Method(Protocol):
    """A change detector: two images on one grid → a difference image."""

    def __call__(
        self,
        t1: Real[np.ndarray, "band row col"],
        t2: Real[np.ndarray, "band row col"],
        valid: Bool[np.ndarray, "row col"] | None = None,
        *,
        options: Options | None = None,
    ) -> Difference:
        """Measures change at every pixel that is valid (all, by default)."""


_Measure = Callable[
    [
        Float[np.ndarray, "band row col"],
        Float[np.ndarray, "band row col"],
        Bool[np.ndarray, "row col"],
        Options,
    ],
    Difference,
]


def _method(measure: _Measure) -> Method:
    """Brings arrays to what `measure` takes: float32, a full mask, no NaN; masks what it gives."""

    def method(
        t1: Real[np.ndarray, "band row col"],
        t2: Real[np.ndarray, "band row col"],
        valid: Bool[np.ndarray, "row col"] | None = None,
        *,
        options: Options | None = None,
    ) -> Difference:
        if t1.shape != t2.shape:
            raise ValueError(f"t1 and t2 must have one shape: got {t1.shape} and {t2.shape}")
        usable = np.isfinite(t1).all(axis=0) & np.isfinite(t2).all(axis=0)
        usable &= True if valid is None else valid
        one, other = (np.where(usable, image, 0).astype(np.float32) for image in (t1, t2))
        found = measure(one, other, usable, options or Options())
        image = np.where(usable, found.image, np.nan).astype(np.float32)
        return replace(found, image=image)

    return method


def _metric(
    t1: Float[np.ndarray, "band row col"],
    t2: Float[np.ndarray, "band row col"],
    valid: Bool[np.ndarray, "row col"],
    options: Options,
) -> Difference:
    """Deep metric learning on this pair: eq. 1–9 (Bandara & Patel)."""
    one, other = in_one_range(t1, t2, valid, options)
    fit = fit_pair(
        one,
        other,
        valid,
        rgb=_three(options.rgb, len(t1)),
        extractor=load_extractor(options.extractor, levels=options.fit.levels),
        settings=options.fit,
        seed=options.seed,
        device=choose_device(options.device),
        stages=options.stages,
    )
    return Difference(image=fit.probability, probability=True, history=fit.history)


def _closed_form(
    t1: Float[np.ndarray, "band row col"],
    t2: Float[np.ndarray, "band row col"],
    valid: Bool[np.ndarray, "row col"],
    options: Options,
) -> Difference:
    """Color correction, feature and spectral distances, smoothing; no fitting."""
    one, other = in_one_range(t1, t2, valid, options)
    distance = deep_distance(
        one,
        other,
        valid,
        rgb=_three(options.rgb, len(t1)),
        extractor=load_extractor(options.extractor, levels=options.fit.levels),
        device=choose_device(options.device),
        stages=options.stages,
    )
    # Each of four distances counts 1 on average, unless it is nothing but rounding errors.
    return Difference(image=distance, floor=1.0)


def _fusion(
    t1: Float[np.ndarray, "band row col"],
    t2: Float[np.ndarray, "band row col"],
    valid: Bool[np.ndarray, "row col"],
    options: Options,
) -> Difference:
    """Prediction, structure and deep features, multiplied; the features taught on this pair."""
    one, other = in_one_range(t1, t2, valid, options)
    found = fusion.fused_distance(
        one,
        other,
        valid,
        rgb=_three(options.rgb, len(t1)),
        extractor=load_extractor(options.extractor),
        adaptation=options.adaptation,
        seed=options.seed,
        device=choose_device(options.device),
        stages=options.stages,
    )
    # Around 1 where nothing special happens, unless all distances are rounding errors.
    return Difference(image=found.distance, floor=1.0, history=found.history)


def _deep_cva(
    t1: Float[np.ndarray, "band row col"],
    t2: Float[np.ndarray, "band row col"],
    valid: Bool[np.ndarray, "row col"],
    options: Options,
) -> Difference:
    """Deep change vector analysis, which scales each date by itself: no color correction."""
    distance = deep_cva(
        t1,
        t2,
        valid,
        rgb=_three(options.rgb, len(t1)),
        extractor=load_extractor(options.extractor, levels=options.fit.levels),
        device=choose_device(options.device),
        stages=options.stages,
    )
    return Difference(image=distance)


def _classical(fit: Callable[..., difference.DifferenceImage]) -> Method:
    """A classical difference image, fitted on the pair and applied to it."""

    def measure(
        t1: Float[np.ndarray, "band row col"],
        t2: Float[np.ndarray, "band row col"],
        valid: Bool[np.ndarray, "row col"],
        options: Options,
    ) -> Difference:
        one, other = (np.where(valid, image, np.nan).astype(np.float32) for image in (t1, t2))
        with options.stages.stage("difference"):
            fitted = fit([(one, other, valid)])
            components = fitted.apply(one, other)
            image = fitted.merge(components)
            if fitted.chi2_dof is not None:
                # χ, not χ²: squares have a tail so long that rules on gray levels lose all else.
                image = np.sqrt(image)
        return Difference(
            image=image,
            components=components if fitted.components > 1 else None,
            chi2_dof=fitted.chi2_dof,
            warnings=fitted.warnings,
        )

    return _method(measure)


def in_one_range(
    t1: Float[np.ndarray, "band row col"],
    t2: Float[np.ndarray, "band row col"],
    valid: Bool[np.ndarray, "row col"],
    options: Options,
) -> tuple[Float[np.ndarray, "band row col"], Float[np.ndarray, "band row col"]]:
    """Both images in the colors of t2, in [0, 1]; 0 where not valid."""
    with options.stages.stage("color"):
        corrected = polynomial_correction(t1, t2, valid, factor=options.color_factor)
        if options.scaling == "extremes":
            one, other = (between_extremes(image, valid) for image in (corrected, t2))
        else:
            offset, gain = unit_range(corrected, t2, valid)
            one, other = (
                np.clip((image - offset[:, None, None]) * gain[:, None, None], 0, 1)
                for image in (corrected, t2)
            )
        return (
            np.where(valid, one, 0).astype(np.float32),
            np.where(valid, other, 0).astype(np.float32),
        )


def _three(rgb: tuple[int, int, int], bands: int) -> tuple[int, int, int]:
    """Red, green and blue for images of fewer than three bands: the last one repeats."""
    red, green, blue = (min(band, bands - 1) for band in rgb)
    return red, green, blue


def choose_device(device: str) -> str:
    """Turns "auto" into the accelerator at hand, else the CPU; anything else stays.

    Raises:
        ValueError: The device is not there.
    """
    there = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if device == "auto":
        return next(name for name, found in there.items() if found)
    if not there.get(device, False):
        found = ", ".join(name for name, found in there.items() if found)
        raise ValueError(f"no device {device!r} here: choose auto, or one of {found}")
    return device


METHODS: dict[str, Method] = {
    "fusion": _method(_fusion),
    "metric": _method(_metric),
    "closed_form": _method(_closed_form),
    "deep_cva": _method(_deep_cva),
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
}
