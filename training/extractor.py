"""Trains the embedded extractor, without a label, on the pairs of a data set.

    python training/extractor.py --root DATA/oscd -o src/metriccd/nets/extractor.safetensors

The reference files of the data set are not opened. Every pair is scored in closed form; the surest
pixels teach the extractor (`metriccd.adaptation`). The committed weights were made with the
defaults, seed 0, on the 14 training cities of OSCD (modified Copernicus Sentinel data 2015-2018;
only their images) in 8 minutes on two cores, by the code of commit 59475a5.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from metriccd.recipe.adaptation import Adaptation, adapt, pseudo_labels
from metriccd.recipe.crops import Lesson
from safetensors.torch import save_file

from metriccd.benchmark.datasets import oscd
from metriccd.nets.embedded import MetricExtractor
from metriccd.pair.color import UnitRange
from metriccd.pair.pair import read_pair
from metriccd.recipe import fusion
from metriccd.recipe.smoothing import smooth
from metriccd.recipe.standard import Part, Standard, inside, mean_of
from metriccd.stages import Stages

SETTINGS = Adaptation(
    steps=1400, learning_rate=2e-3, batch=16, crop=96, zoom=(0.4, 1.3), change=0.025, no_change=0.85
)
# In the score that teaches, pixels that are vegetated, or dark, on both dates count less: their
# changes are of season, tide and shadow, and the extractor shall learn to see past them.
VEGETATION, DARKNESS = 0.225, 0.15


def main() -> None:
    arguments = parse()
    pairs = oscd(arguments.root)
    kept = [pair for index, pair in enumerate(pairs) if arguments.fold in (None, index % 2)]
    print("pairs:", ", ".join(pair.name for pair in kept), flush=True)
    lessons = [lesson(pair.t1, pair.t2) for pair in kept]
    torch.manual_seed(arguments.seed)
    network = MetricExtractor().to(memory_format=torch.channels_last)
    settings = replace(SETTINGS, steps=arguments.steps or SETTINGS.steps)
    start = time.monotonic()

    def progress(stage: str, done: int, total: int) -> None:
        if done % 100 == 0:
            print(f"{stage}: {done} of {total}, {time.monotonic() - start:.0f} s", flush=True)

    history = adapt(network, lessons, settings, seed=arguments.seed, stages=Stages(progress))
    print(f"loss, mean of the last 100 steps: {np.mean(history['loss'][-100:]):.4f}")
    tensors = {name: value.contiguous() for name, value in network.state_dict().items()}
    record = {
        "pairs": [pair.name for pair in kept],
        "seed": arguments.seed,
        "settings": vars(settings),
        "torch": torch.__version__,
        "licence": "Apache-2.0",
    }
    save_file(tensors, arguments.out, metadata={"metriccd": json.dumps(record)})
    print(arguments.out, hashlib.sha256(arguments.out.read_bytes()).hexdigest())


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--root", type=Path, required=True, help="folder of OSCD")
    parser.add_argument("-o", "--out", type=Path, required=True, help="safetensors file")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int)
    parser.add_argument(
        "--fold", type=int, choices=(0, 1), help="even or odd pairs only, to test on the others"
    )
    return parser.parse_args()


def lesson(t1: Path, t2: Path) -> Lesson:
    """A pair with pseudo-labels; no reference is read."""
    block = read_pair(t1, t2).load()
    dates = UnitRange.fit([block])(*block)
    part = Standard.fit(dates, [block.valid] * 2)(*dates, block.valid)
    closed_form = fusion.ClosedForm.fit([part])
    evidence = {
        name: distance / mean_of([distance], [part.valid])
        for name, distance in closed_form(part).items()
    }
    score = (fusion.fuse(evidence, part) * prior(part)).numpy()
    (target,) = pseudo_labels([score], [block.valid], SETTINGS)
    return Lesson(part.t1, part.t2, torch.from_numpy(target))


def prior(part: Part) -> torch.Tensor:
    """A factor below 1 where both dates are vegetated or dark."""
    brightness = [image.mean(dim=0) for image in part[:2]]
    greenness = [image[1] - (image[0] + image[2]) / 2 for image in part[:2]]
    bright, green = (
        torch.minimum(*(each / inside(torch.stack(dates), part.valid).std() for each in dates))
        for dates in (brightness, greenness)
    )
    bright, green = smooth(torch.stack([bright, green]), part.valid, 2.0)
    return torch.exp(DARKNESS * bright - VEGETATION * green)


if __name__ == "__main__":
    main()
