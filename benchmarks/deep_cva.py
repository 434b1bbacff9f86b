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

from metriccd.benchmark import read_places, read_sets
from metriccd.decision import decide
from metriccd.methods import Options
from metriccd.methods.methods import in_one_range
from metriccd.nets import load_extractor
from metriccd.pair import Block, three
from metriccd.paper import deep_cva
from metriccd.scene import Difference
from metriccd.supervised import Place

RULES = ("adaptive", "otsu", "triangle", "consensus")


class Setting(NamedTuple):
    """What is varied."""

    matched: bool
    levels: tuple[int, ...]
    share: float


PUBLISHED = Setting(matched=False, levels=(1, 2), share=0.1)
SETTINGS = [
    Setting(*each) for each in product((False, True), ((1, 2), (2, 3), (1, 2, 3)), (0.1, 1.0))
]
# Set → setting → AP of each pair.
Found = Mapping[str, Mapping[Setting, list[float]]]


def distance(place: Place, setting: Setting) -> np.ndarray:
    """Deep CVA at a setting."""
    block = Block(place.t1, place.t2, place.valid)
    block = in_one_range(block, Options(device="cpu")) if setting.matched else block
    extractor = load_extractor("embedded", levels=setting.levels)
    rgb = three(place.rgb, len(block.t1))
    return deep_cva(*block, rgb=rgb, extractor=extractor, share=setting.share)


def best(found: Found, sets: list[str]) -> Setting:
    """The setting whose mean over sets of the mean AP is highest."""
    return max(SETTINGS, key=lambda each: np.mean([np.mean(found[name][each]) for name in sets]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sets", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    asked = parser.parse_args()
    torch.set_num_threads(2)
    sets = {each.name: list(read_places(each.pairs)) for each in read_sets(asked.sets)}
    found: dict[str, dict[Setting, list[float]]] = {}
    for name, places in sets.items():
        found[name] = defaultdict(list)
        for place, setting in product(places, SETTINGS):
            score, truth = distance(place, setting), place.changed[place.judged]
            found[name][setting].append(float(average_precision_score(truth, score[place.judged])))
        told = {name: [*each.items()] for name, each in found.items()}
        asked.out.write_text(json.dumps(told, indent=1))
        print(name, "measured", flush=True)
    whole = best(found, list(found))
    print("best of all:", whole)
    for name in found:
        left_out = best(found, [other for other in found if other != name])
        own = best(found, [name])
        means = [np.mean(found[name][each]) for each in (PUBLISHED, left_out, own)]
        print(name, "published, left out, oracle:", *(f"{each:.3f}" for each in means), left_out)
    for setting in (PUBLISHED, whole):
        means_by_rule: dict[str, list[float]] = {rule: [] for rule in RULES}
        for places in sets.values():
            scores = [f1_by_rule(place, setting) for place in places]
            for rule, means in means_by_rule.items():
                means.append(float(np.mean([each[rule] for each in scores])))
        for rule, means in means_by_rule.items():
            print(setting, rule, "F1:", *(f"{each:.3f}" for each in means), f"{np.mean(means):.3f}")


def f1_by_rule(place: Place, setting: Setting) -> dict[str, float]:
    """F1 of a pair where rules find the threshold."""
    image, figures = Difference(image=distance(place, setting)), {}
    for rule in RULES:
        decision = decide(image, place.valid, automatic=rule)
        said = decision.score >= decision.verdict.threshold
        figures[rule] = float(f1_score(place.changed[place.judged], said[place.judged]))
    return figures


if __name__ == "__main__":
    main()
