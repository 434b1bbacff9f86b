"""Detection: two images in, what changed between them out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from torch import nn

from metriccd.adaptation import Adaptation
from metriccd.change import Change, display
from metriccd.decision import decide
from metriccd.fit import PAPER, RELEASED, FitSettings
from metriccd.image import Image
from metriccd.measure import Options, Scaling, choose_device
from metriccd.methods import METHODS
from metriccd.pair import BandNames, ImagePair, read_pair
from metriccd.polygons import remove_small
from metriccd.record import input_of, versions
from metriccd.stages import Progress, Stages
from metriccd.threshold import THRESHOLDS

# Methods whose difference image is χ²-distributed where nothing changed.
CHI2_METHODS = ("mad", "irmad", "irmad_toolbox", "sfa", "isfa")
# Thresholds used for "auto" with methods that no preset names; "otsu" with all others.
OWN_THRESHOLDS: dict[str, str | float] = {
    "metric": 0.5,
    "fusion": "rosin",
    "closed_form": "rosin",
    "pca_kmeans": "kmeans",
    "deep_cva": "adaptive",
}


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A named way to detect change.

    Attributes:
        method: Key of `METHODS`.
        extractor: Feature extractor used unless another is asked for.
        threshold: Rule, or a fixed score, used for `--threshold auto`.
        fit: Settings of the per-pair optimizer.
        adaptation: How the extractor is taught on the pair, see `Options`.
        color_factor: β of the color correction.
        scaling: How images are brought to [0, 1], see `Options`.
    """

    method: str
    extractor: str = "embedded"
    threshold: str | float = "rosin"
    fit: FitSettings = field(default_factory=FitSettings)
    adaptation: Adaptation = field(default_factory=lambda: Adaptation(steps=0))
    color_factor: int = 4
    scaling: Scaling = "percentiles"


PRESETS: dict[str, Preset] = {
    "default": Preset(method="fusion", adaptation=Adaptation()),
    "fast": Preset(method="fusion"),
    "paper": Preset(method="metric", extractor="vgg16", threshold=0.5, fit=PAPER),
    "released": Preset(
        method="metric",
        extractor="vgg16",
        threshold=0.97,
        fit=RELEASED,
        color_factor=1,
        scaling="extremes",
    ),
}


def detect(
    t1: Image,
    t2: Image,
    *,
    preset: str = "default",
    method: str | None = None,
    bands: BandNames | None = None,
    rgb: BandNames | None = None,
    masks: Image | Sequence[Image] = (),
    nodata: float | None = None,
    threshold: str | float = "auto",
    min_area: float = 0.0,
    extractor: str | nn.Module | None = None,
    device: str = "auto",
    seed: int = 0,
    progress: Progress | None = None,
) -> Change:
    """Finds what changed between two images of one place, without labels.

    Args:
        t1: First image: a path, an array (band, row, col) or an xarray DataArray. The result
            is on its grid.
        t2: Second image, likewise; resampled to t1's grid where it lies on another.
        preset: "default", "fast", "paper" or "released".
        method: A key of `METHODS` instead of the preset's.
        bands: Bands to compare, by number, name or description.
        rgb: Which of them are red, green and blue.
        masks: One or more rasters whose non-zero pixels are left out.
        nodata: Value of missing pixels, instead of what the files declare.
        threshold: "auto" (the preset's rule), a rule by name, or a score between 0 and 1.
        min_area: Change objects of fewer square meters are dropped.
        extractor: "embedded", "vgg16", a weights file, or a module.
        device: "auto", "cpu", "cuda" or "mps".
        seed: Same seed, same machine: same result.
        progress: Called with (stage, done, total) as work goes on.

    Raises:
        DataError: An image cannot be read or compared.
        GridError: The images share no grid.
        WeightsError: The extractor's weights are not at hand.
        ValueError: No such preset, method or rule.
    """
    chosen = choose(preset, method, threshold)
    stages = Stages(progress)
    pair = read_pair(t1, t2, bands=bands, rgb=rgb, masks=masks, nodata=nodata)
    block = pair.load(stages)
    options = options_of(chosen, pair, extractor, device=device, seed=seed, stages=stages)
    found = METHODS[chosen.method](*block, options=options)
    decision = decide(found, block.valid, threshold, automatic=chosen.threshold, seed=seed)
    change = decision.change
    if min_area > 0:
        change = remove_small(change, pair.grid, min_area)
    settings = _settings(preset, chosen, options, pair)
    settings |= {"nodata": nodata, "asked threshold": threshold, "rule": decision.rule}
    settings |= {"score": decision.measure, "min_area": min_area}
    return Change(
        score=decision.score,
        map=change,
        valid=block.valid,
        threshold=decision.threshold,
        rule=decision.rule,
        grid=pair.grid,
        t1_rgb=display(block.t1, block.valid, pair.rgb),
        t2_rgb=display(block.t2, block.valid, pair.rgb),
        history=found.history,
        record={
            **_inputs(pair, stages),
            "settings": settings,
            "threshold": {"value": decision.threshold, "rule": decision.rule, "label_free": True},
            "valid_pixels": int(block.valid.sum()),
            "changed_pixels": int(change.sum()),
            "warnings": [*found.warnings, *decision.warnings],
            "versions": versions(),
        },
        stages=stages,
    )


def choose(name: str, method: str | None, threshold: str | float) -> Preset:
    """The preset a request asks for.

    Raises:
        ValueError: No such preset, method or rule, or a rule the method does not allow.
    """
    preset = _preset(name, method)
    if isinstance(threshold, str):
        known = ("auto", *THRESHOLDS, "chi2", "adaptive")
        if threshold not in known:
            raise ValueError(
                f"no threshold rule {threshold!r}: choose a score or one of {', '.join(known)}"
            )
        if threshold == "chi2" and preset.method not in CHI2_METHODS:
            allowed = " or ".join(CHI2_METHODS)
            raise ValueError(f"threshold chi2 needs a χ² statistic: use it with --method {allowed}")
    elif not 0 <= threshold <= 1:
        raise ValueError(f"a threshold must lie in [0, 1]: got {threshold}")
    return preset


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
        adaptation=preset.adaptation,
        color_factor=preset.color_factor,
        scaling=preset.scaling,
        device=choose_device(device),
        seed=seed,
        stages=stages or Stages(),
    )


def _preset(name: str, method: str | None) -> Preset:
    if name not in PRESETS:
        raise ValueError(f"no preset {name!r}: choose from {', '.join(PRESETS)}")
    if method is None:
        return PRESETS[name]
    if method not in METHODS:
        raise ValueError(f"no method {method!r}: choose from {', '.join(METHODS)}")
    if method == PRESETS[name].method:
        return PRESETS[name]
    # Another method's scores are another kind: the preset's fixed threshold does not fit them.
    return replace(PRESETS[name], method=method, threshold=OWN_THRESHOLDS.get(method, "otsu"))


def _inputs(pair: ImagePair, stages: Stages) -> dict[str, Any]:
    """What was read, with checksums."""
    rasters = (pair.t1, pair.t2, *pair.masks)
    found = []
    with stages.stage("checksums", len(rasters)) as advance:
        for raster in rasters:
            found.append(input_of(raster))
            advance(1)
    return {"inputs": {"t1": found[0], "t2": found[1]}, "masks": found[2:]}


def _settings(preset: str, chosen: Preset, options: Options, pair: ImagePair) -> dict[str, Any]:
    named = isinstance(options.extractor, str)
    settings: dict[str, Any] = {
        "preset": preset,
        "method": chosen.method,
        "bands": [band.name for band in pair.t1.bands],
        "rgb": [pair.t1.bands[band].name for band in pair.rgb],
        "extractor": options.extractor if named else type(options.extractor).__name__,
        "device": options.device,
        "seed": options.seed,
        "color_factor": options.color_factor,
        "scaling": options.scaling,
    }
    for method, part in (("metric", "fit"), ("fusion", "adaptation")):
        if chosen.method == method:
            values = asdict(getattr(chosen, part))
            settings |= {f"{part} {name}": _plain(value) for name, value in values.items()}
    return settings


def _plain(value: Any) -> Any:
    """What JSON can hold."""
    return sorted(value) if isinstance(value, frozenset) else value
