"""Where nothing can have changed: what `default` says of a date and an altered copy of it.

    python benchmarks/nothing.py benchmarks/sets.toml > nothing.md

The first 256 × 256 pixels of t1 of the first pair of each set, and the same with noise (a share of
what lies between the .01 and .99 quantiles), in another light, resampled or moved; with two
patches, the only row that holds change. No reference is read. A quarter of a minute a set.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy import ndimage

from metriccd.benchmark.sets import read_sets
from metriccd.decision import decide
from metriccd.methods import METHODS, PRESETS, Options
from metriccd.pair import read_pair

SIDE = 256


def copies(image: np.ndarray, random: np.random.Generator) -> Iterator[tuple[str, np.ndarray]]:
    """What is done to a date, and the copy."""
    low, high = np.quantile(image, [0.01, 0.99])
    noise = random.normal(0, 0.03 * (high - low), image.shape)
    yield "noise, 3 %", image + noise
    yield "gain, offset, noise", 1.2 * image + 0.1 * (high - low) + noise
    yield "gamma 1.3", ((image - image.min()) / np.ptp(image)) ** 1.3
    yield "blur, σ .7", ndimage.gaussian_filter(image, (0, 0.7, 0.7))
    yield "half a pixel", ndimage.shift(image, (0, 0.5, 0.5), order=1, mode="nearest")
    yield "one pixel", np.roll(image, 1, axis=2)
    patch = image + noise
    patch[:, 100:112, 60:75] = patch[:, 200:212, 200:215]
    patch[:, 30:36, 180:190] = high
    yield "noise, two patches (.0037)", patch


def main() -> None:
    """Prints a table: share said to be change."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sets", type=Path)
    parser.add_argument("--preset", default="default")
    given = parser.parse_args()
    preset = PRESETS[given.preset]
    for number, each in enumerate(read_sets(given.sets)):
        random = np.random.default_rng(0)
        pair = each.pairs[0]
        image = read_pair(pair.t1, pair.t2).load().t1[:, :SIDE, :SIDE]
        shares = {}
        for name, copy in copies(image, random):
            options = Options(device="cpu", plain_features=preset.plain_features)
            found = METHODS[preset.method](image, copy.astype(np.float32), options=options)
            valid = np.isfinite(found.image)
            change = decide(found, valid, automatic=preset.threshold).change
            shares[name] = float(change[valid].mean())
        if not number:
            print(f"| set | {' | '.join(shares)} |")
            print(f"|---|{'---|' * len(shares)}")
        print(f"| {each.name} | {' | '.join(f'{share:.4f}' for share in shares.values())} |")


if __name__ == "__main__":
    main()
