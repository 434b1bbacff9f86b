"""Presets: named ways to detect change, and what they tell a method about a pair."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from torch import nn

from metriccd.decision import THRESHOLDS
from metriccd.errors import choices
from metriccd.methods.method import DIRECTIONS, Direction, Options, Scaling, choose_device
from metriccd.methods.methods import DIRECTED, METHODS, SUPERVISED, needs_checkpoint
from metriccd.pair import ImagePair
from metriccd.paper import PAPER, RELEASED, FitSettings
from metriccd.stages import Stages

# Methods whose difference image is χ²-distributed where nothing changed.
CHI2_METHODS = ("mad", "irmad", "irmad_toolbox", "sfa", "isfa")
# Thresholds used for "auto" with methods that no preset names; "otsu" with all others.
OWN_THRESHOLDS: dict[str, str | float] = {
    "metric": 0.5,
    "fusion": "consensus",
    "closed_form": "triangle",
    "pca_kmeans": "kmeans",
    "deep_cva": "adaptive",
    **dict.fromkeys(SUPERVISED, 0.5),
}


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A named way to detect change.

    Attributes:
        method: Key of `METHODS`.
        extractor: Feature extractor used unless another is asked for.
        threshold: Rule, or a fixed score, used for `--threshold auto`.
        fit: Settings of the per-pair optimizer.
        plain_features: Whether the plain difference compares features, too, see `Options`.
        direction: Of change that is looked for, see `Options`.
        color_factor: β of the color correction.
        scaling: How images are brought to [0, 1], see `Options`.
        checkpoint: Of a supervised method.
    """

    method: str
    extractor: str = "embedded"
    threshold: str | float = "consensus"
    fit: FitSettings = field(default_factory=FitSettings)
    plain_features: bool = True
    direction: Direction = "both"
    color_factor: int = 4
    scaling: Scaling = "percentiles"
    checkpoint: str | None = None


PRESETS: dict[str, Preset] = {
    "default": Preset(method="fusion"),
    "fast": Preset(method="fusion", plain_features=False),
    "paper": Preset(method="metric", extractor="vgg16", threshold=0.5, fit=PAPER),
    "released": Preset(
        method="metric",
        extractor="vgg16",
        threshold=0.97,
        fit=RELEASED,
        color_factor=1,
        scaling="extremes",
    ),
    "imagenet": Preset(method="feature_cosine", extractor="efficientnet-lite0", threshold="otsu"),
}


def choose_preset(
    name: str, method: str | None, threshold: str | float, direction: Direction = "both"
) -> Preset:
    """The preset a request asks for.

    Raises:
        ValueError: No such preset, method or rule, or a rule the method does not allow.
    """
    preset = _preset(name, method)
    if isinstance(threshold, str):
        known = ("auto", *THRESHOLDS, "chi2", "adaptive")
        if threshold not in known:
            raise ValueError(
                f"no threshold rule {threshold!r}: choose a score or one of "
                f"{choices(threshold, known)}"
            )
        if threshold == "chi2" and preset.method not in CHI2_METHODS:
            allowed = " or ".join(CHI2_METHODS)
            raise ValueError(f"threshold chi2 needs a χ² statistic: use it with --method {allowed}")
    elif not 0 <= threshold <= 1:
        raise ValueError(f"a threshold must lie in [0, 1]: got {threshold}")
    if direction not in DIRECTIONS:
        ways = choices(direction, DIRECTIONS)
        raise ValueError(f"no direction {direction!r}: choose from {ways}")
    if direction != "both" and preset.method not in DIRECTED:
        raise ValueError(
            f"direction {direction} needs a method that tells what appeared from what "
            f"disappeared: {preset.method} does not; use {' or '.join(sorted(DIRECTED))}"
        )
    return replace(preset, direction=direction)


def with_checkpoint(preset: Preset, checkpoint: str | Path | None) -> Preset:
    """A preset with the checkpoint that its method needs.

    Raises:
        ValueError: A supervised method without one, or one for a method that learns nothing.
    """
    if preset.method in SUPERVISED and checkpoint is None:
        raise ValueError(needs_checkpoint(preset.method))
    if preset.method not in SUPERVISED and checkpoint is not None:
        raise ValueError(
            f"a checkpoint goes with {', '.join(sorted(SUPERVISED))}: got method {preset.method} "
            "too; leave it out, or choose one of them"
        )
    return replace(preset, checkpoint=None if checkpoint is None else str(checkpoint))


def options_of(
    preset: Preset,
    pair: ImagePair,
    extractor: str | nn.Module | None = None,
    *,
    device: str = "auto",
    seed: int = 0,
    stages: Stages | None = None,
) -> Options:
    """What a preset tells its method about a pair; another extractor may be asked for.

    Raises:
        ValueError: The device is not there.
    """
    return Options(
        rgb=pair.rgb,
        extractor=preset.extractor if extractor is None else extractor,
        fit=preset.fit,
        plain_features=preset.plain_features,
        direction=preset.direction,
        ground=pair.grid.ground,
        color_factor=preset.color_factor,
        scaling=preset.scaling,
        device=choose_device(device),
        checkpoint=preset.checkpoint,
        seed=seed,
        stages=stages or Stages(),
    )


def _preset(name: str, method: str | None) -> Preset:
    if name not in PRESETS:
        raise ValueError(f"no preset {name!r}: choose from {choices(name, PRESETS)}")
    if method is None:
        return PRESETS[name]
    if method not in METHODS:
        raise ValueError(f"no method {method!r}: choose from {choices(method, METHODS)}")
    if method == PRESETS[name].method:
        return PRESETS[name]
    if name != "default":
        raise ValueError(
            f"preset {name} is one of method {PRESETS[name].method}: got method {method} too; "
            "leave one of them out"
        )
    # Another method's scores are another kind: the preset's fixed threshold does not fit them.
    return replace(PRESETS[name], method=method, threshold=OWN_THRESHOLDS.get(method, "otsu"))


def settings_of(preset: str, chosen: Preset, options: Options, pair: ImagePair) -> dict[str, Any]:
    """What a preset is and was told, for the record."""
    settings: dict[str, Any] = {
        "preset": preset if PRESETS[preset].method == chosen.method else None,
        "method": chosen.method,
        "bands": [band.name for band in pair.t1.bands],
        "rgb": [pair.t1.bands[band].name for band in pair.rgb],
        "extractor": options.extractor_name,
        "device": options.device,
        "seed": options.seed,
        "color_factor": options.color_factor,
        "scaling": options.scaling,
    }
    if chosen.method == "metric":
        settings |= {f"fit {name}": _plain(value) for name, value in asdict(chosen.fit).items()}
    if chosen.method in SUPERVISED:
        settings["supervised"] = True
    if chosen.method in DIRECTED:
        settings |= {"direction": options.direction, "plain features": options.plain_features}
    return settings


def _plain(value: Any) -> Any:
    """What JSON can hold."""
    return sorted(value) if isinstance(value, frozenset) else value
