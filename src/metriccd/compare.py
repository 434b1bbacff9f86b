"""Comparison: every method on one pair and one valid mask, against one reference."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float
from torch import nn

from metriccd import figures
from metriccd.change import display
from metriccd.decision import decide
from metriccd.evaluation import read_reference
from metriccd.folder import RECORD, output_folder
from metriccd.image import Image, as_raster, on_lattice
from metriccd.methods import METHODS, Options, choose_device
from metriccd.metrics import Confusion, Ranking, Scores
from metriccd.pair import BandNames, Block, ImagePair, read_pair
from metriccd.record import input_of, versions
from metriccd.stages import Progress, Stages
from metriccd.threshold import THRESHOLDS

# Fitted to the pair in minutes, not seconds: compared only where it is asked for by name.
FITTED = frozenset({"metric"})
COLUMNS = {
    "oa": "OA",
    "ua": "UA",
    "recall": "Recall",
    "f1": "F1",
    "iou": "IoU",
    "kappa": "kappa",
    "auc": "AUC",
    "ap": "AP",
    "best_f1": "best F1",
}


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One method on the pair.

    Attributes:
        ranking: Of its difference image over the judged pixels.
        thresholds: Threshold rule → the threshold it found on the difference image; None where
            the rule took several bands, which it separates by a plane.
        maps: Threshold rule → change map.
        confusions: Threshold rule → the map against the reference.
        seconds: Time of the difference image, without reading and thresholds.
        peak_mib: Peak resident memory of the process when it was done, in MiB.
        warnings: What the user should know, a line each.
    """

    ranking: Ranking = field(repr=False)
    thresholds: Mapping[str, float | None]
    maps: Mapping[str, Bool[np.ndarray, "row col"]] = field(repr=False)
    confusions: Mapping[str, Confusion]
    seconds: float
    peak_mib: float
    warnings: tuple[str, ...] = ()

    def scores(self, rule: str) -> Scores:
        """The figures of the change map by a threshold rule."""
        return Scores.of(self.confusions[rule], self.ranking)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Methods side by side on one pair.

    Attributes:
        methods: Name → what the method measured, in the order they ran.
        rules: The threshold rules; the maps of the first one are drawn.
        changed: Reference, True = change.
        judged: True where both images are valid and the reference is known.
        t1_rgb: First image for display (red, green, blue), in [0, 1], NaN where not valid.
        t2_rgb: Second image, likewise.
        record: Inputs, settings and versions, as written to `run.json`.
    """

    methods: Mapping[str, Measured]
    rules: tuple[str, ...]
    changed: Bool[np.ndarray, "row col"] = field(repr=False)
    judged: Bool[np.ndarray, "row col"] = field(repr=False)
    t1_rgb: Float[np.ndarray, "3 row col"] = field(repr=False)
    t2_rgb: Float[np.ndarray, "3 row col"] = field(repr=False)
    record: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def rows(self) -> Iterator[dict[str, Any]]:
        """The table: a row for each method and rule; undefined figures are None."""
        for name, measured in self.methods.items():
            for rule in self.rules:
                yield {
                    "method": name,
                    "rule": rule,
                    **measured.scores(rule).as_dict(),
                    "threshold": measured.thresholds[rule],
                    "seconds": round(measured.seconds, 3),
                    "peak_mib": round(measured.peak_mib, 1),
                }

    def save(
        self,
        out: str | Path,
        *,
        overwrite: bool = False,
        palette: Literal["paper", "colorblind"] = "paper",
    ) -> Path:
        """Writes table.csv, table.json, table.md, curves.png, panel.png and run.json.

        Args:
            out: Folder, which appears whole or not at all.
            overwrite: Replace an earlier result there.
            palette: Colors of the error maps.

        Raises:
            OutputError: `out` exists, or cannot be written.
        """
        target = Path(out)
        with output_folder(target, overwrite=overwrite) as folder:
            self.write(folder, palette=palette)
        return target

    def write(self, folder: Path, *, palette: Literal["paper", "colorblind"] = "paper") -> None:
        """Writes the files into a folder that exists."""
        rows = list(self.rows())
        (folder / "table.csv").write_text(_csv(rows), encoding="utf-8")
        content = {"rows": rows, "basis": Scores.BASIS}
        (folder / "table.json").write_text(json.dumps(content, indent=2), encoding="utf-8")
        (folder / "table.md").write_text(markdown(rows), encoding="utf-8")
        rankings = {name: measured.ranking for name, measured in self.methods.items()}
        (folder / "curves.png").write_bytes(figures.curves(rankings))
        (folder / "panel.png").write_bytes(self._panel(palette))
        record = dict(self.record) | {"created": datetime.now(UTC).isoformat()}
        (folder / RECORD).write_text(json.dumps(record, indent=2), encoding="utf-8")

    def _panel(self, palette: Literal["paper", "colorblind"]) -> bytes:
        """The paper's Figures 5–7 with the maps of the first rule."""
        maps, rule = {}, self.rules[0]
        for name, measured in self.methods.items():
            scores = measured.scores(rule)
            maps[f"{name}  F1 {scores.f1:.3f}  AUC {scores.auc:.3f}"] = measured.maps[rule]
        images = {"t1": self.t1_rgb, "t2": self.t2_rgb}
        caption = f"change maps by {rule}, label-free"
        return figures.error_panel(
            images, self.changed, self.judged, maps, palette=palette, caption=caption
        )


def compare(
    t1: Image,
    t2: Image,
    reference: Image | tuple[Image, Image],
    *,
    methods: Sequence[str] = ("all",),
    thresholds: Sequence[str] = ("otsu", "kmeans"),
    bands: BandNames | None = None,
    rgb: BandNames | None = None,
    masks: Image | Sequence[Image] = (),
    seed: int = 0,
    device: str = "auto",
    extractor: str | nn.Module = "embedded",
    progress: Progress | None = None,
) -> Comparison:
    """Runs methods on one pair and compares all of them with a reference.

    Each method measures once; every threshold rule is applied to its difference image over the
    valid pixels, without the reference. "kmeans" takes the difference image before its bands are
    merged, where there are several, as the MATLAB Change Detection Toolbox does. All are judged
    on the same pixels: valid in both images, not masked, and known to the reference.

    Args:
        t1: First image: a path, an array (band, row, col) or an xarray DataArray.
        t2: Second image, likewise; resampled to t1's grid where it lies on another.
        reference: Ground truth, or masks of change and of no change, as `evaluate` takes it.
        methods: Keys of `METHODS`, or "all": every one that is not fitted to the pair.
        thresholds: Keys of `THRESHOLDS`, or "adaptive".
        bands: Bands to compare, by number, name or description.
        rgb: Which of them are red, green and blue.
        masks: Rasters whose non-zero pixels are left out.
        seed: Same seed, same machine: same result.
        device: "auto", "cpu", "cuda" or "mps".
        extractor: "embedded", "vgg16", a weights file, or a module.
        progress: Called with (stage, done, total) as work goes on.

    Raises:
        DataError: An image or the reference cannot be read or compared.
        GridError: The images share no grid, or the reference does not lie on t1's.
        WeightsError: The extractor's weights are not at hand.
        ValueError: No such method or rule.
    """
    names, rules = choose(methods, thresholds)
    stages = Stages(progress)
    pair = read_pair(t1, t2, bands=bands, rgb=rgb, masks=masks)
    block = pair.load(stages)
    changed, known = read_reference(_on_t1(reference, pair), pair.grid)
    options = Options(rgb=pair.rgb, extractor=extractor, device=choose_device(device), seed=seed)
    judge = _Judge(changed=changed, judged=block.valid & known, rules=rules)
    measured = {name: judge.measure(name, block, options, stages) for name in names}
    return Comparison(
        methods=measured,
        rules=rules,
        changed=changed,
        judged=judge.judged,
        t1_rgb=display(block.t1, block.valid, pair.rgb),
        t2_rgb=display(block.t2, block.valid, pair.rgb),
        record=_record(pair, reference, options, judge, measured, stages),
    )


def choose(
    methods: Sequence[str], thresholds: Sequence[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The methods and rules a request asks for, each once.

    Raises:
        ValueError: No such method or rule, or none at all.
    """
    names: dict[str, None] = {}
    for name in methods:
        if name != "all" and name not in METHODS:
            raise ValueError(f"no method {name!r}: choose all, or from {', '.join(METHODS)}")
        names |= dict.fromkeys([name] if name != "all" else [m for m in METHODS if m not in FITTED])
    rules = (*THRESHOLDS, "adaptive")
    for rule in thresholds:
        if rule not in rules:
            raise ValueError(f"no threshold rule {rule!r}: choose from {', '.join(rules)}")
    if not names or not thresholds:
        raise ValueError("a comparison needs a method and a threshold rule: got none")
    return tuple(names), tuple(dict.fromkeys(thresholds))


def markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """A table of `Comparison.rows` in Markdown, with a line on what the reference was used for."""
    lines = [
        f"| method | threshold | {' | '.join(COLUMNS.values())} |",
        f"|---|---|{'---:|' * len(COLUMNS)}",
    ]
    for row in rows:
        cells = (_shown(row[name]) for name in COLUMNS)
        lines.append(f"| {row['method']} | {row['rule']} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", basis_line(), ""])


def basis_line() -> str:
    """Which columns are label-free, threshold-free or oracle, in a sentence."""
    groups: dict[str, list[str]] = {}
    for name, title in COLUMNS.items():
        groups.setdefault(Scores.BASIS[name], []).append(title)
    meanings = {
        "label-free": "the threshold was found without the reference",
        "threshold-free": "no threshold is needed",
        "oracle": "the reference chose the threshold",
    }
    parts = [
        f"{', '.join(titles)}: {basis} ({meanings[basis]})" for basis, titles in groups.items()
    ]
    return "; ".join(parts) + "."


@dataclass(frozen=True, kw_only=True)
class _Judge:
    """What every method is held against."""

    changed: Bool[np.ndarray, "row col"]
    judged: Bool[np.ndarray, "row col"]
    rules: tuple[str, ...]

    def measure(self, name: str, block: Block, options: Options, stages: Stages) -> Measured:
        with stages.stage(name):
            found = METHODS[name](*block, options=options)
        cost, image = stages.done[-1], found.image
        decided = {rule: decide(found, block.valid, rule, seed=options.seed) for rule in self.rules}
        maps = {rule: decision.change for rule, decision in decided.items()}
        ranking = Ranking()
        ranking.update(image, self.changed, self.judged)
        return Measured(
            ranking=ranking,
            thresholds={rule: decision.level for rule, decision in decided.items()},
            maps=maps,
            confusions={
                rule: Confusion.from_maps(change, self.changed, self.judged)
                for rule, change in maps.items()
            },
            seconds=cost.seconds,
            peak_mib=cost.peak_mib,
            warnings=found.warnings,
        )


def _on_t1(reference: Image | tuple[Image, Image], pair: ImagePair) -> Image | tuple[Image, Image]:
    """A reference without georeference lies on t1's pixels, of which the pair may be a part."""
    if isinstance(reference, tuple):
        one, other = (_on_t1(mask, pair) for mask in reference)
        return one, other
    return on_lattice(as_raster(reference, "reference"), pair.t1.grid, "a reference")


def _record(
    pair: ImagePair,
    reference: Image | tuple[Image, Image],
    options: Options,
    judge: _Judge,
    methods: Mapping[str, Measured],
    stages: Stages,
) -> dict[str, Any]:
    named = isinstance(options.extractor, str)
    references = reference if isinstance(reference, tuple) else (reference,)
    return {
        "inputs": {"t1": input_of(pair.t1), "t2": input_of(pair.t2)},
        "masks": [input_of(mask) for mask in pair.masks],
        "references": [input_of(as_raster(each, "reference")) for each in references],
        "settings": {
            "methods": list(methods),
            "thresholds": list(judge.rules),
            "bands": [band.name for band in pair.t1.bands],
            "rgb": [pair.t1.bands[band].name for band in pair.rgb],
            "extractor": options.extractor if named else type(options.extractor).__name__,
            "device": options.device,
            "seed": options.seed,
        },
        "judged_pixels": int(judge.judged.sum()),
        "warnings": [f"{name}: {line}" for name, each in methods.items() for line in each.warnings],
        "stages": [asdict(stage) for stage in stages.done],
        "versions": versions(),
    }


def _csv(rows: Sequence[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _shown(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
