"""What a step of `paper` and of `released` costs, and whether a faster one finds the same.

    python benchmarks/fitting.py --before OTHER/src --root DIR --pairs 3 --side 128 --steps 20

Fits crops of OSCD's pairs, those where most changed, with the package of another checkout and with
this one, by turns, each in a process and a thread of its own. Seconds are of the processor, for
each step after the first. A line of JSON for each fit: its loss curve, and its AUC, which the
reference tells.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from crops import cropped

from metriccd.benchmark import find_pairs

RUN = """
import json, sys, time
from dataclasses import replace
from pathlib import Path
import numpy as np, torch
from sklearn.metrics import average_precision_score, roc_auc_score
from metriccd.accuracy import read_reference
from metriccd.methods import PRESETS, options_of
from metriccd.methods.methods import in_one_range
from metriccd.nets import load_extractor
from metriccd.pair import read_pair
from metriccd.paper import fit_pair
from metriccd.stages import Stages, peak_mib

torch.set_num_threads(1)
asked = json.loads(sys.argv[1])
t1, t2, reference = (Path(path) for path in asked["files"])
images = read_pair(t1, t2)
changed, known = read_reference(reference, images.grid)
preset = PRESETS[asked["preset"]]
rates = {} if asked["rate"] is None else {"learning_rate": asked["rate"]}
settings = replace(preset.fit, steps=asked["steps"] or preset.fit.steps, **rates)
options = options_of(preset, images, device="cpu", seed=asked["seed"], stages=Stages())
t1, t2, valid = in_one_range(images.load(), options)
times = []
def told(stage, done, total):
    if stage == "fit":
        times.append(time.process_time())
fit = fit_pair(
    t1, t2, valid, rgb=(0, 1, 2), settings=settings, seed=asked["seed"],
    extractor=load_extractor(asked["extractor"], levels=settings.levels), stages=Stages(told),
)
truth, score = changed[valid], fit.probability[valid]
times = times[: settings.steps + 1]
steps = np.diff(times)[1:] if len(times) > 2 else np.diff(times)
print(json.dumps({
    "seconds a step": round(float(np.median(steps)), 3), "peak MiB": round(peak_mib()),
    "AUC": round(float(roc_auc_score(truth, score)), 4),
    "AP": round(float(average_precision_score(truth, score)), 4),
    "loss": [round(x, 5) for x in fit.history["total"]],
    "mean P_c": round(fit.history["mean P_c"][-1], 4),
}))
"""


def main() -> None:
    """Fits, and says what it took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--before", type=Path, help="the folder src of another checkout")
    parser.add_argument("--root", type=Path, required=True, help="folder of OSCD")
    parser.add_argument("--pairs", default="3", help="how many of them, or their names")
    parser.add_argument("--side", type=int, default=128, help="pixels")
    parser.add_argument("--steps", type=int, help="instead of the preset's")
    parser.add_argument("--rate", type=float, help="learning rate instead of the preset's")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--presets", default="paper,released")
    parser.add_argument("--extractor", default="vgg16", help="as detect takes it")
    asked = parser.parse_args()
    pairs = find_pairs("oscd", asked.root)
    if asked.pairs.isdigit():
        pairs = pairs[: int(asked.pairs)]
    else:
        pairs = [pair for pair in pairs if pair.name in asked.pairs.split(",")]
    sources = {"before": asked.before, "after": Path(__file__).parents[1] / "src"}
    with TemporaryDirectory() as folder:
        crops = [cropped(pair, asked.side, Path(folder)) for pair in pairs]
        for crop, preset, seed in product(crops, asked.presets.split(","), range(asked.seeds)):
            told: dict[str, Any] = {"pair": crop.name, "preset": preset, "seed": seed}
            told |= {"side": asked.side, "steps": asked.steps, "rate": asked.rate}
            files = {"files": [crop.t1, crop.t2, crop.reference], "extractor": asked.extractor}
            for which, source in sources.items():
                if source is not None:
                    found = fit_with(source, told | files)
                    print(json.dumps({"code": which} | told | found), flush=True)


def fit_with(source: Path, asked: dict[str, Any]) -> dict[str, Any]:
    """One fit by the package in `source`, in a process of its own."""
    environment = os.environ | {"PYTHONPATH": str(source), "OMP_NUM_THREADS": "1"}
    found = subprocess.run(
        [sys.executable, "-c", RUN, json.dumps(asked, default=str)],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    if found.returncode:
        sys.exit(found.stderr)
    result: dict[str, Any] = json.loads(found.stdout.splitlines()[-1])
    return result


if __name__ == "__main__":
    main()
