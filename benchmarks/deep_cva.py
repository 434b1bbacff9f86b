"""Deep CVA with our extractor: which setting is best, chosen leaving one set out.

    python benchmarks/deep_cva.py OUT/windows/sets.toml -o FILE

The windows are those that `peers.py` writes (`--side 256 --pairs 2` make few, small ones). Every
setting is tried on every pair: whether the colors of both dates are matched, levels of the
extractor, the share of channels that each quadrant selects. Printed for each set: mean AP of the
published setting, of the one that is best on the other sets, and of the one that is best on it (an
oracle); and F1 by some rules at the published setting and at the best of all.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from sklearn.metrics import average_precision_score, f1_score

from metriccd.accuracy import read_reference
from metriccd.benchmark import read_sets
from metriccd.benchmark.datasets import Pair
from metriccd.decision import decide
from metriccd.methods import Options
from metriccd.methods.methods import in_one_range
from metriccd.nets import load_extractor
from metriccd.pair import Block, read_pair
from metriccd.paper import deep_cva
from metriccd.scene import Difference

RULES = ("adaptive", "otsu", "triangle", "consensus")


class Setting(NamedTuple):
    """What is varied."""

    matched: bool
    levels: tuple[int, ...]
    share: float
    clamp: float


PUBLISHED = Setting(matched=False, levels=(1, 2), share=0.1, clamp=0.95)
SETTINGS = [
    Setting(matched, levels, share, 0.95)
    for matched, levels, share in product((False, True), ((1, 2), (2, 3), (1, 2, 3)), (0.1, 1.0))
]
# Set → setting → AP of each pair.
Found = Mapping[str, Mapping[Setting, list[float]]]


def opened(pair: Pair) -> tuple[Block, np.ndarray, np.ndarray]:
    """A pair, what changed, and where that is known."""
    images = read_pair(pair.t1, pair.t2, bands=pair.bands)
    block = images.load()
    changed, known = read_reference(pair.reference, images.grid)
    return block, changed, block.valid if known is None else block.valid & known


def distance(block: Block, setting: Setting) -> np.ndarray:
    """Deep CVA at a setting."""
    block = in_one_range(block, Options(device="cpu")) if setting.matched else block
    extractor = load_extractor("embedded", levels=setting.levels)
    rgb = (0, 1, 2) if len(block.t1) < 4 else (2, 1, 0)
    return deep_cva(*block, rgb=rgb, extractor=extractor, share=setting.share, clamp=setting.clamp)


def best(found: Found, sets: list[str]) -> Setting:
    """The setting whose mean over sets of the mean AP is highest."""
    return max(SETTINGS, key=lambda each: np.mean([np.mean(found[name][each]) for name in sets]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sets", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    asked = parser.parse_args()
    torch.set_num_threads(2)
    sets = {each.name: [opened(pair) for pair in each.pairs] for each in read_sets(asked.sets)}
    found: dict[str, dict[Setting, list[float]]] = {}
    for name, pairs in sets.items():
        found[name] = defaultdict(list)
        for (block, changed, known), setting in product(pairs, SETTINGS):
            score = distance(block, setting)[known]
            found[name][setting].append(float(average_precision_score(changed[known], score)))
        asked.out.write_text(
            json.dumps({name: [[*each.items()]] for name, each in found.items()}, indent=1)
        )
        print(name, "measured", flush=True)
    whole = best(found, list(found))
    print("best of all:", whole)
    for name in found:
        left_out = best(found, [other for other in found if other != name])
        own = best(found, [name])
        means = [np.mean(found[name][each]) for each in (PUBLISHED, left_out, own)]
        print(name, "published, left out, oracle:", *(f"{each:.3f}" for each in means), left_out)
    for setting, rule in product((PUBLISHED, whole), RULES):
        figures = []
        for pairs in sets.values():
            scores = []
            for block, changed, known in pairs:
                decision = decide(
                    Difference(image=distance(block, setting)), block.valid, automatic=rule
                )
                said = decision.score >= decision.verdict.threshold
                scores.append(f1_score(changed[known], said[known]))
            figures.append(np.mean(scores))
        print(setting, rule, "F1:", *(f"{each:.3f}" for each in figures), f"{np.mean(figures):.3f}")


if __name__ == "__main__":
    main()
