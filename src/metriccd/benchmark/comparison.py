"""Comparison: every method on one pair and one valid mask, against one reference."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float
from torch import nn

from metriccd.accuracy import draw_curves, read_reference
from metriccd.benchmark.tables import BASIS, basis_line, csv_table, markdown_table, marked
from metriccd.benchmark.trial import Entry, Judge, Measured, with_checkpoints
from metriccd.decision import THRESHOLDS
from metriccd.methods import (
    DEEP,
    METHODS,
    PRESETS,
    SUPERVISED,
    Options,
    choose_preset,
    options_of,
)
from metriccd.nets import load_extractor
from metriccd.output import RECORD, output_folder
from metriccd.pair import BandNames, ImagePair, colors_of, on_lattice, read_pair
from metriccd.raster import Image, Nodata, as_raster
from metriccd.report import error_panel, stretched
from metriccd.result import input_of, sha256_of, versions
from metriccd.stages import Progress, Stages

# Fitted to the pair in minutes, not seconds: compared only where it is asked for by name.
FITTED = frozenset({"metric"})
_LABEL_FREE = [name for name in METHODS if name not in FITTED | SUPERVISED]
# The rule that a method decides by in `detect`.
OWN = "own"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Methods side by side on one pair.

    Attributes:
        methods: Name → what the method measured, in the order they ran.
        supervised: Those of them that references of other places have taught.
        rules: The threshold rules asked for, "own" being each method's own; the maps of the first
            one are drawn.
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
    supervised: frozenset[str] = frozenset()

    def rows(self) -> Iterator[dict[str, Any]]:
        """The table: a row for each method and rule, best F1 first; undefined figures are None."""
        rows: list[dict[str, Any]] = [
            {
                "method": name,
                "rule": rule,
                **measured.scores(rule).as_dict(),
                "threshold": decided.level,
                "supervised": name in self.supervised,
                "seconds": round(measured.seconds, 3),
                "peak_mib": round(measured.peak_mib, 1),
            }
            for name, measured in self.methods.items()
            for rule, decided in measured.rules.items()
        ]
        yield from sorted(rows, key=lambda row: -float(row["f1"] or 0.0))

    def save(
        self,
        out: str | Path,
        *,
        overwrite: bool = False,
        palette: Literal["paper", "colorblind"] = "colorblind",
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
        with output_folder(target, overwrite=overwrite, inputs=self._inputs()) as folder:
            self.write(folder, palette=palette)
        return target

    def _inputs(self) -> list[str]:
        """Files that the comparison was made of, as far as its record tells."""
        record = self.record
        read = [*record.get("inputs", {}).values()]
        read += [*record.get("masks", ()), *record.get("references", ())]
        return [file["path"] for each in read for file in each["files"]]

    def write(
        self, folder: Path, *, palette: Literal["paper", "colorblind"] = "colorblind"
    ) -> None:
        """Writes the files into a folder that exists."""
        rows = list(self.rows())
        (folder / "table.csv").write_text(csv_table(rows), encoding="utf-8")
        content = {"rows": rows, "basis": BASIS}
        (folder / "table.json").write_text(json.dumps(content, indent=2), encoding="utf-8")
        (folder / "table.md").write_text(markdown(rows), encoding="utf-8")
        best_first = dict.fromkeys(row["method"] for row in rows)
        rankings = {
            marked(name, name in self.supervised): self.methods[name].ranking for name in best_first
        }
        (folder / "curves.png").write_bytes(draw_curves(rankings))
        (folder / "panel.png").write_bytes(self._panel(palette))
        record = dict(self.record) | {"created": datetime.now(UTC).isoformat()}
        (folder / RECORD).write_text(json.dumps(record, indent=2), encoding="utf-8")

    def _panel(self, palette: Literal["paper", "colorblind"]) -> bytes:
        """The paper's Figures 5–7 with the maps of the first rule, best F1 first."""
        drawn = []
        for name, measured in self.methods.items():
            rule, decided = next(iter(measured.rules.items()))
            scores = measured.scores(rule)
            shown = marked(name, name in self.supervised)
            title = f"{shown} ({rule})  F1 {scores.f1:.3f}  AUC {scores.auc:.3f}"
            drawn.append((scores.f1, title, decided.change))
        maps = {title: change for _, title, change in sorted(drawn, key=lambda each: -each[0])}
        images = {"t1": self.t1_rgb, "t2": self.t2_rgb}
        said = "each method's own rule" if self.rules[0] == OWN else self.rules[0]
        free = "label-free but where marked" if self.supervised else "label-free"
        caption = f"change maps by {said}, {free}; best F1 first"
        return error_panel(
            images, self.changed, self.judged, maps, palette=palette, caption=caption
        )


def compare(
    t1: Image,
    t2: Image,
    reference: Image | tuple[Image, Image],
    *,
    methods: Sequence[str] = ("all",),
    thresholds: Sequence[str] = (OWN,),
    bands: BandNames | None = None,
    rgb: BandNames | None = None,
    masks: Image | Sequence[Image] = (),
    nodata: Nodata = None,
    band_names: BandNames | None = None,
    seed: int = 0,
    device: str = "auto",
    extractor: str | nn.Module | None = None,
    checkpoints: Sequence[str | Path] = (),
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
        methods: Keys of `METHODS` and of `PRESETS`, or "all": every method that is not fitted to
            the pair. A preset decides by its own rule.
        thresholds: Keys of `THRESHOLDS`, "adaptive", or "own": the rule that each method decides by
            in `detect`.
        bands: Bands to compare, by number, name or description.
        rgb: Which of them are red, green and blue.
        masks: Rasters whose non-zero pixels are left out.
        nodata: Value of missing pixels of the images, "none", or None for what they declare.
        band_names: Names of all bands of an image that does not name them.
        seed: Same seed, same machine: same result.
        device: "auto", "cpu", "cuda" or "mps".
        extractor: "embedded", "vgg16", a weights file, or a module, instead of the method's own.
        checkpoints: Of the supervised methods among them, each of which needs one.
        progress: Called with (stage, done, total) as work goes on.

    Raises:
        DataError: An image or the reference cannot be read or compared.
        GridError: The images share no grid, or the reference does not lie on t1's.
        WeightsError: The extractor's weights are not at hand.
        ValueError: No such method, preset or rule.
    """
    entries = with_checkpoints(choose_rows(methods, thresholds), checkpoints)
    stages = Stages(progress)
    pair = read_pair(
        t1, t2, bands=bands, rgb=rgb, masks=masks, nodata=nodata, band_names=band_names
    )
    block = pair.load(stages)
    changed, known = read_reference(on_t1(reference, pair), pair.grid)
    judge = Judge(changed=changed, judged=block.valid & known, grid=pair.grid)
    # A method by name is the default preset but for its method and threshold.
    options = options_of(PRESETS["default"], pair, extractor, device=device, seed=seed)
    told = {
        entry.name: options_of(entry.preset, pair, extractor, device=device, seed=seed)
        if entry.name in PRESETS or entry.preset.method in SUPERVISED
        else options
        for entry in entries
    }
    for entry in entries:
        # Weights that are not at hand are missed now, not when all other rows are done.
        if entry.preset.method in DEEP and isinstance(told[entry.name].extractor, str):
            load_extractor(told[entry.name].extractor, levels=told[entry.name].fit.levels)
    measured = {
        entry.name: judge.measure(entry, block, told[entry.name], stages) for entry in entries
    }
    rules = tuple(dict.fromkeys(thresholds))
    learned = {
        "extractors": {
            entry.name: told[entry.name].extractor_name
            for entry in entries
            if entry.preset.method in DEEP
        },
        "checkpoints": {
            entry.name: {"path": path, "sha256": sha256_of(Path(path))}
            for entry in entries
            if (path := entry.preset.checkpoint) is not None
        },
    }
    t1_rgb, t2_rgb = stretched(
        *(
            np.where(block.valid, colors_of(image, pair.rgb), np.float32(np.nan))
            for image in (block.t1, block.t2)
        )
    )
    return Comparison(
        methods=measured,
        rules=rules,
        changed=changed,
        judged=judge.judged,
        t1_rgb=t1_rgb,
        t2_rgb=t2_rgb,
        record=_record(pair, reference, options, rules, judge, measured, stages) | learned,
        supervised=frozenset(entry.name for entry in entries if entry.preset.method in SUPERVISED),
    )


def choose_rows(methods: Sequence[str], thresholds: Sequence[str]) -> list[Entry]:
    """The rows of a comparison: methods by each rule, presets by their own.

    Args:
        methods: Names of methods and presets; "all" is every method that is not fitted.
        thresholds: Rules for the methods; "own" is the one that `detect` uses.

    Raises:
        ValueError: No such method, preset or rule, or none at all.
    """
    rules = dict.fromkeys(thresholds)
    choose_methods(["all"], [rule for rule in rules if rule != OWN] or ["otsu"])
    if not methods or not rules:
        raise ValueError("a comparison needs a method and a threshold rule: got none")
    entries = {}
    for name in methods:
        if name in PRESETS:
            entries[name] = Entry(name=name, preset=PRESETS[name])
            continue
        try:
            names, _ = choose_methods([name], ["otsu"])
        except ValueError as error:
            raise ValueError(f"{error}; presets are {', '.join(PRESETS)}") from None
        for method in names:
            preset = choose_preset("default", method, "auto")
            chosen = dict.fromkeys(preset.threshold if rule == OWN else rule for rule in rules)
            entries[method] = Entry(name=method, preset=preset, rules=tuple(chosen))
    return list(entries.values())


def choose_methods(
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
        names |= dict.fromkeys([name] if name != "all" else _LABEL_FREE)
    rules = (*THRESHOLDS, "adaptive")
    for rule in thresholds:
        if rule not in rules:
            raise ValueError(f"no threshold rule {rule!r}: choose from {', '.join(rules)}")
    if not names or not thresholds:
        raise ValueError("a comparison needs a method and a threshold rule: got none")
    return tuple(names), tuple(dict.fromkeys(thresholds))


def markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """A table of `Comparison.rows` in Markdown, with a line on what the reference was used for."""
    basis = basis_line(any(row["supervised"] for row in rows))
    return f"{markdown_table(rows)}\n\nBest F1 first. {basis}\n"


def on_t1(reference: Image | tuple[Image, Image], pair: ImagePair) -> Image | tuple[Image, Image]:
    """A reference without georeference lies on t1's pixels, of which the pair may be a part."""
    if isinstance(reference, tuple):
        changed, unchanged = (on_t1(mask, pair) for mask in reference)
        return changed, unchanged
    return on_lattice(as_raster(reference, "reference"), pair.t1.grid, "a reference")


def _record(
    pair: ImagePair,
    reference: Image | tuple[Image, Image],
    options: Options,
    rules: tuple[str, ...],
    judge: Judge,
    methods: Mapping[str, Measured],
    stages: Stages,
) -> dict[str, Any]:
    references = reference if isinstance(reference, tuple) else (reference,)
    return {
        "inputs": {"t1": input_of(pair.t1), "t2": input_of(pair.t2)},
        "masks": [input_of(mask.source) for mask in pair.masks],
        "references": [input_of(as_raster(image, "reference")) for image in references],
        "settings": {
            "methods": list(methods),
            "thresholds": list(rules),
            "bands": [band.name for band in pair.t1.bands],
            "rgb": [pair.t1.bands[band].name for band in pair.rgb],
            "extractor": options.extractor_name,
            "device": options.device,
            "seed": options.seed,
        },
        "judged_pixels": int(judge.judged.sum()),
        "warnings": [
            *pair.warnings,
            *(f"{name}: {line}" for name, run in methods.items() for line in run.warnings),
        ],
        "stages": [asdict(stage) for stage in stages.done],
        "versions": versions(),
    }
