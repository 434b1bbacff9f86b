"""Table I of Bandara & Patel again: every method that is not fitted, on every pair of a data set.

    python benchmarks/table1.py --root DATA/oscd --dataset oscd -o oscd.json
    python benchmarks/table1.py --root DATA/oscd --dataset oscd --bands all13 -o oscd13.json

The JSON holds each pair, the mean over pairs, and the pooled pixels; what is in it already is not
run again. Histograms of the scores, for pooled rankings, lie in a folder beside it. Prints a table
in Markdown beside the paper's.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from metriccd.compare import Measured, basis_line, choose, compare
from metriccd.datasets import DATASETS, SENTINEL2, Pair, oscd
from metriccd.histogram import Histogram
from metriccd.metrics import Confusion, Ranking, Scores, mean_scores

RULES = ("otsu", "kmeans")
BINS = 2**12  # of a stored histogram: AUC to 1e-5, AP to 2e-4
# OA, UA, recall, F1, AUC as printed. How each threshold was chosen the paper does not say.
PAPER = {
    "oscd": {
        "cva": (0.830, 0.164, 0.457, 0.192, 0.751),
        "dpca": (0.929, 0.238, 0.238, 0.189, 0.823),
        "image_diff": (0.799, 0.148, 0.483, 0.181, 0.752),
        "image_ratio": (0.810, 0.113, 0.402, 0.149, 0.697),
        "image_regr": (0.897, 0.196, 0.413, 0.222, 0.821),
        "irmad": (0.900, 0.155, 0.472, 0.204, 0.864),
        "mad": (0.877, 0.143, 0.534, 0.191, 0.857),
        "pcda": (0.855, 0.192, 0.456, 0.210, 0.805),
        "deep_cva": (0.916, 0.216, 0.350, 0.245, 0.835),
        "metric": (0.958, 0.383, 0.480, 0.325, 0.937),
    },
    "sztaki": {
        "cva": (0.768, 0.118, 0.545, 0.179, 0.708),
        "dpca": (0.861, 0.167, 0.377, 0.191, 0.704),
        "image_diff": (0.769, 0.121, 0.546, 0.182, 0.696),
        "image_ratio": (0.863, 0.067, 0.136, 0.042, 0.604),
        "image_regr": (0.747, 0.134, 0.615, 0.198, 0.743),
        "irmad": (0.822, 0.162, 0.507, 0.223, 0.722),
        "mad": (0.770, 0.121, 0.594, 0.189, 0.714),
        "pcda": (0.758, 0.119, 0.598, 0.183, 0.737),
        "deep_cva": (0.859, 0.259, 0.277, 0.268, 0.847),
        "metric": (0.948, 0.325, 0.256, 0.286, 0.913),
    },
    "plain": {},
}


def main() -> None:
    arguments = parse()
    pairs, out = pairs_of(arguments), arguments.out
    methods, _ = choose(arguments.methods.split(","), RULES)
    content = json.loads(out.read_text()) if out.is_file() else {"pairs": {}}
    content |= {"dataset": arguments.dataset, "bands": arguments.bands}
    for pair in pairs:
        measure(pair, methods, content["pairs"].setdefault(pair.name, {}), rankings_of(out, pair))
        write(out, content)
    summarize(content, {pair.name: rankings_of(out, pair) for pair in pairs})
    write(out, content)
    print(tables(content, PAPER[arguments.dataset]))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--dataset", choices=DATASETS, required=True)
    parser.add_argument("--bands", help="all13, or names such as B04,B03,B02,B08 (oscd only)")
    parser.add_argument("--methods", default="all", help="all, or names: irmad,cva")
    parser.add_argument("-o", "--out", type=Path, required=True, help="JSON file")
    return parser.parse_args()


def pairs_of(arguments: argparse.Namespace) -> list[Pair]:
    if arguments.bands is None:
        return DATASETS[arguments.dataset](arguments.root)
    if arguments.dataset != "oscd":
        sys.exit(f"--bands is for oscd: {arguments.dataset} has red, green and blue only")
    names = SENTINEL2 if arguments.bands == "all13" else arguments.bands.split(",")
    return oscd(arguments.root, bands=names)


def write(out: Path, content: dict[str, Any]) -> None:
    """Replaces the JSON at once, so that an interrupt leaves the one before."""
    partial = out.with_suffix(".partial")
    partial.write_text(json.dumps(content, indent=1))
    partial.replace(out)


def rankings_of(out: Path, pair: Pair) -> Path:
    return out.with_suffix("") / f"{pair.name}.npz"


def measure(pair: Pair, methods: tuple[str, ...], done: dict[str, Any], stored: Path) -> None:
    """Adds the methods that a pair lacks."""
    missing = [name for name in methods if name not in done]
    if not missing:
        return
    print(f"{pair.name}: {', '.join(missing)}", file=sys.stderr, flush=True)
    found = compare(
        pair.t1, pair.t2, pair.reference, methods=missing, thresholds=RULES, bands=pair.bands
    )
    store(stored, found.methods)
    done |= {name: row(measured) for name, measured in found.methods.items()}


def row(measured: Measured) -> dict[str, Any]:
    rules = {
        rule: {
            "scores": measured.scores(rule).as_dict(),
            "confusion": asdict(measured.confusions[rule]),
            "threshold": measured.thresholds[rule],
        }
        for rule in RULES
    }
    return {"seconds": measured.seconds, "peak_mib": measured.peak_mib, "rules": rules}


def store(path: Path, methods: Any) -> None:
    arrays = dict(np.load(path)) if path.is_file() else {}
    for name, measured in methods.items():
        for part in ("changed", "unchanged"):
            histogram = getattr(measured.ranking, part).coarsened(BINS)
            arrays[f"{name} {part} values"] = histogram.values.astype(np.float32)
            arrays[f"{name} {part} counts"] = histogram.counts
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **arrays)


def stored_ranking(arrays: Any, name: str) -> Ranking:
    ranking = Ranking()
    for part in ("changed", "unchanged"):
        histogram: Histogram = getattr(ranking, part)
        values, counts = (arrays[f"{name} {part} {each}"] for each in ("values", "counts"))
        histogram.update(np.repeat(values, counts))
    return ranking


def summarize(content: dict[str, Any], stored: dict[str, Path]) -> None:
    """Mean over pairs and pooled figures of the methods that every pair has."""
    pairs = [content["pairs"][name] for name in stored]
    content |= {"mean": {}, "pooled": {}}
    for name in [each for each in pairs[0] if all(each in pair for pair in pairs)]:
        ranking = Ranking()
        for path in stored.values():
            with np.load(path) as arrays:
                ranking += stored_ranking(arrays, name)
        for rule in RULES:
            rows = [pair[name]["rules"][rule] for pair in pairs]
            confusion = sum((Confusion(**each["confusion"]) for each in rows), Confusion())
            mean = mean_scores([scores_from(each["scores"]) for each in rows])
            content["mean"].setdefault(name, {})[rule] = mean.as_dict()
            pooled = Scores.of(confusion, ranking).as_dict()
            content["pooled"].setdefault(name, {})[rule] = pooled


def scores_from(figures: dict[str, Any]) -> Scores:
    return Scores(**{name: math.nan if v is None else v for name, v in figures.items()})


def tables(content: dict[str, Any], paper: dict[str, tuple[float, ...]]) -> str:
    pairs = content["pairs"]
    lines = [
        f"Mean over {len(pairs)} pairs, beside the paper's Table I:",
        "",
        "| method | threshold | OA | UA | Recall | F1 | AUC | AP | best F1 | s | "
        "paper: OA | UA | Recall | F1 | AUC |",
        "|---|---|" + "---:|" * 13,
    ]
    for name, rules in content["mean"].items():
        seconds = np.mean([pair[name]["seconds"] for pair in pairs.values()])
        printed = [f"{value:.3f}" for value in paper.get(name, ())] or ["–"] * 5
        for rule, figures in rules.items():
            ours = numbers(figures, "oa", "ua", "recall", "f1", "auc", "ap", "best_f1")
            lines.append(line(name, rule, *ours, f"{seconds:.1f}", *printed))
    lines += ["", "Pooled pixels:", ""]
    lines += ["| method | threshold | OA | UA | Recall | F1 | IoU | kappa | AUC | AP | best F1 |"]
    lines += ["|---|---|" + "---:|" * 9]
    for name, rules in content["pooled"].items():
        for rule, figures in rules.items():
            names = ("oa", "ua", "recall", "f1", "iou", "kappa", "auc", "ap", "best_f1")
            lines.append(line(name, rule, *numbers(figures, *names)))
    return "\n".join([*lines, "", basis_line()])


def numbers(figures: dict[str, Any], *names: str) -> list[str]:
    return ["–" if figures[name] is None else f"{figures[name]:.3f}" for name in names]


def line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
