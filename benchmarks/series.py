"""How well a series tells what lasted from what passed, on series made of real pairs.

    python benchmarks/series.py benchmarks/sets.toml -o OUT [--side 384] [--pairs 12] [--seed 0]

Each pair (t1, t2) with a reference makes four series. A prime is the same image taken again: gains
and offsets of its bands to 6 %, noise of 2 grey levels, a shift of up to .3 pixel.

    back    t1 t2 t1'                  all that changed was undone: transient
    stays   t1 t2 t2'                  all that changed stayed: persistent, from the 2nd image on
    twice   t1 t2 t3'                  the reference changed twice, into something else: persistent
    cloud   t1 t1' t1'+cloud t2' t2''  clouds and their shadows are transient, the rest persistent
                                       from the 4th image on

In t3 the reference's pixels are darker or brighter than in both. Rules are held against each
other by what they say of the pixels that the first comparison found: the share that they call
transient should be 1 in `back`, 0 in `stays` and `twice`.

    shipped  what `metriccd series` does (docs/series.md)
    both     changed, changed back, and no change across
    either   one of the two, and no change across
    flip     changed twice, in opposite directions: needs no comparison across

Then of the shipped rule: precision and recall of "transient" against the clouds, and of the first
change against the reference, which no threshold has seen. OUT/series.csv and .md hold the figures.
A pair of 384 × 384 pixels takes a core half a minute.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage

import metriccd as mcd
from metriccd.accuracy import read_reference
from metriccd.benchmark.comparison import on_t1
from metriccd.benchmark.sets import read_sets
from metriccd.decision import log_odds
from metriccd.pair import read_pair
from metriccd.series.history import (
    NEW,
    PERSISTENT,
    TRANSIENT,
    Evidence,
    History,
    history,
    pairs_of,
)

Images = Sequence[np.ndarray]
# Sets whose reference holds all that changed, or nearly.
SETS = ("OSCD", "SZTAKI", "EGY-BCD", "DSIFN", "Beijing")
RULES = ("shipped", "both", "either", "flip")


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A pair as arrays (band, row, col), and where the reference says that it changed."""

    name: str
    t1: np.ndarray
    t2: np.ndarray
    changed: np.ndarray


def scenes(sets: Path, side: int, count: int) -> Iterator[Scene]:
    """Pairs of all sets in turn, of each the part in which most changed."""
    queues = [list(each.pairs) for each in read_sets(sets) if each.name in SETS]
    taken = 0
    while any(queues) and taken < count:
        for queue in queues:
            if queue and taken < count:
                found = queue.pop(0)
                pair = read_pair(found.t1, found.t2, nodata="none")
                labels = on_t1(found.reference, pair)
                changed, _ = read_reference(labels, pair.grid, inverted=found.inverted)
                block = pair.load()
                part = _busiest(changed, side)
                taken += 1
                yield Scene(
                    name=found.name,
                    t1=block.t1[:, *part],
                    t2=block.t2[:, *part],
                    changed=changed[part],
                )


def _busiest(changed: np.ndarray, side: int) -> tuple[slice, slice]:
    corners = [
        (row, col)
        for row in range(0, max(changed.shape[0] - side, 0) + 1, side // 4)
        for col in range(0, max(changed.shape[1] - side, 0) + 1, side // 4)
    ]
    row, col = max(corners, key=lambda at: changed[at[0] :, at[1] :][:side, :side].sum())
    return slice(row, row + side), slice(col, col + side)


class Camera:
    """Takes images again, with clouds or without."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)

    def again(self, image: np.ndarray) -> np.ndarray:
        """The same image by another light, a little noisy, up to .3 pixel aside."""
        random = self.random
        gain = 1 + random.uniform(-0.06, 0.06, (len(image), 1, 1))
        aside = ndimage.shift(image, (0, *random.uniform(-0.3, 0.3, 2)), order=1, mode="nearest")
        noise = random.normal(0, 2, image.shape)
        return np.clip(np.rint(aside * gain + random.uniform(-6, 6) + noise), 1, 255)

    def clouded(self, image: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
        """The image under clouds and their shadows, and where these are."""
        shape = image.shape[1:]
        field = ndimage.gaussian_filter(self.random.normal(size=shape), min(shape) / 14)
        thickness = np.clip((field - np.quantile(field, 1 - share)) / (1.5 * field.std()), 0, 0.5)
        opacity = np.sqrt(2 * thickness)
        shade = 1 - 0.5 * np.roll(opacity, (min(shape) // 10, min(shape) // 12), (0, 1))
        found = image * shade * (1 - opacity) + 235 * opacity
        seen = (opacity > 0.3) | (shade < 0.85)
        return np.clip(np.rint(found), 1, 255), seen


@dataclass(frozen=True, kw_only=True)
class Looked:
    """A series that was compared: what happened, and what each comparison found."""

    history: History
    maps: dict[tuple[int, int], np.ndarray]
    ways: dict[tuple[int, int], np.ndarray]


def looked(images: Images) -> Looked:
    """What `metriccd series` makes of images in memory."""
    pairs = pairs_of(len(images))
    found = [mcd.detect(images[i], images[j], nodata="none") for i, j in pairs]
    margins = [
        log_odds(each.score.ravel()).reshape(each.score.shape)
        - log_odds(np.array([each.threshold], np.float32))[0]
        for each in found
    ]
    evidence = Evidence(
        pairs=pairs,
        change=np.stack([each.map for each in found]),
        margin=np.stack(margins).astype(np.float32),
    )
    return Looked(
        history=history(evidence, len(images)),
        maps={pair: each.map for pair, each in zip(pairs, found, strict=True)},
        ways={pair: each.direction for pair, each in zip(pairs, found, strict=True)},
    )


def transient(seen: Looked, rule: str) -> np.ndarray:
    """Where a rule says of three images that the second one differs alone."""
    first, second, across = (seen.maps[pair] for pair in ((0, 1), (1, 2), (0, 2)))
    if rule == "shipped":
        return seen.history.kind == TRANSIENT
    if rule == "flip":
        return first & second & (seen.ways[0, 1] != seen.ways[1, 2])
    return ~across & (first & second if rule == "both" else first | second)


def measured(scene: Scene, seed: int) -> dict[str, float | str]:
    """The figures of a pair."""
    camera = Camera(seed)
    mean = (scene.t1.mean(axis=0) + scene.t2.mean(axis=0)) / 2
    other = np.where(mean > 127, 40, 215) + 0.3 * (scene.t2[:, ::-1, ::-1] - scene.t2.mean())
    turned = np.where(scene.changed, np.clip(other, 1, 255), scene.t2)
    series = {
        "back": [scene.t1, scene.t2, camera.again(scene.t1)],
        "stays": [scene.t1, scene.t2, camera.again(scene.t2)],
        "twice": [scene.t1, scene.t2, camera.again(turned)],
    }
    row: dict[str, float | str] = {"pair": scene.name}
    for name, images in series.items():
        seen = looked(images)
        # Of `twice`, where it surely changed twice.
        asked = seen.maps[0, 1] & (scene.changed if name == "twice" else True)
        for rule in RULES:
            row[f"{name} {rule}"] = (
                float(transient(seen, rule)[asked].mean()) if asked.any() else np.nan
            )
        if name == "back":
            says = transient(seen, "shipped")
            row |= _accuracy("undone", says, scene.changed)
    again = camera.again(scene.t1)
    cloudy, clouds = camera.clouded(camera.again(scene.t1), 0.2)
    after = [camera.again(scene.t2) for _ in range(2)]
    seen = looked([scene.t1, again, cloudy, *after])
    kind, first = seen.history.kind, seen.history.first
    alone = seen.history.odd == 3
    row |= _accuracy("cloud", alone, clouds)
    # Under a cloud nobody knows.
    row |= _accuracy("first", (first == 4)[~clouds], scene.changed[~clouds])
    dated = (first > 0) & ~clouds
    row["right date"] = float((first[dated] == 4).mean()) if dated.any() else np.nan
    lasting = np.isin(kind, [PERSISTENT, NEW])
    row["persistent"] = float((kind[lasting] == PERSISTENT).mean()) if lasting.any() else np.nan
    found = mcd.detect(scene.t1, scene.t2, nodata="none").map
    row |= _accuracy("detect", found[~clouds], scene.changed[~clouds])
    return row


def _accuracy(name: str, says: np.ndarray, truth: np.ndarray) -> dict[str, float | str]:
    hits = float((says & truth).sum())
    return {
        f"{name} precision": hits / max(float(says.sum()), 1),
        f"{name} recall": hits / max(float(truth.sum()), 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sets", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--side", type=int, default=384)
    parser.add_argument("--pairs", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    said = parser.parse_args()
    said.out.mkdir(parents=True, exist_ok=True)
    rows = []
    for number, scene in enumerate(scenes(said.sets, said.side, said.pairs)):
        rows.append(measured(scene, said.seed + number))
        print(
            " ".join(f"{k}={v if isinstance(v, str) else f'{v:.3f}'}" for k, v in rows[-1].items())
        )
    names = [name for name in rows[0] if name != "pair"]
    mean = {"pair": "mean"} | {
        name: float(np.nanmean([row[name] for row in rows])) for name in names
    }
    with (said.out / "series.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, rows[0].keys())
        writer.writeheader()
        writer.writerows([*rows, mean])
    lines = [f"| {name} | {mean[name]:.3f} |" for name in names]
    table = "\n".join(
        [f"Means over {len(rows)} pairs.", "", "| figure | mean |", "|---|---|", *lines]
    )
    (said.out / "series.md").write_text(f"{table}\n", encoding="utf-8")
    print(table)


if __name__ == "__main__":
    main()
