"""What a few answers tell of the objects that nobody answered yet: a robot reviews real pairs.

    python benchmarks/refine.py DATA -o OUT [--seeds 5] [--most 35]

DATA holds the development sets as `benchmarks/sets.toml` names them, and `landsat`. The objects of
`detect` are asked in the order of `metriccd view`; chance draws anew with every seed. The robot
says "accepted" where most of an object's known pixels are change in the reference. After 3, 10
and 30 answers the others are ranked by the posterior (`benchmarks/posterior.py`), and by their
strength as they were before. Both orders are judged on the same objects, none of them answered.

For each set, the other sets choose the prior among `priors()`. OUT/refine.md holds what comes out,
all of it "with n answers". A control gives the same answers to the wrong objects. Tables of
objects (OUT/tables) are made first, 20 s a megapixel; then it takes some ten minutes.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64, Shaped
from object_tables import Table, object_table
from posterior import Prior, Scene, posterior
from rich.progress import track

from metriccd import detect
from metriccd.accuracy import read_reference
from metriccd.benchmark.comparison import on_t1
from metriccd.benchmark.datasets import Pair, find_pairs
from metriccd.benchmark.places import opened, reference_of
from metriccd.pair import read_pair
from metriccd.review.order import How, Queue

SETS = {
    "OSCD": ("oscd", "oscd"),
    "SZTAKI": ("sztaki", "sztaki"),
    "LEVIR": ("plain", "levir"),
    "OMBRIA": ("plain", "ombria"),
    "DSIFN": ("plain", "dsifn"),
    "EGY-BCD": ("plain", "egy"),
    "Beijing": ("plain", "beijing"),
}
LANDSAT = {
    "taizhou": ("2000TM", "2003TM"),
    "nanjing": ("LT51200382000124BJC00_Nanjing", "LT51200382002193BJC00_Nanjing"),
}
LANDSAT_BANDS = "blue,green,red,nir,swir1,swir2"
COUNTS = (0, 3, 10, 30)
# What may be lost in a set, and what must be won in the mean, of AP.
LOSS, GAIN = 0.01, 0.05
# How much a loss beyond that counts when a prior is chosen.
WEIGHT = 2.0
FEW = 3
# Objects of a pair of which four fifths may be answered; and what is believed before.
MANY = 40
OPEN = Prior(
    slope=(2.0, 0.3),
    level=(-1.0, 1.5),
    groups=(1.0, 1.0, 1.0),
    place=0.0,
    reach=0.1,
    useful=1.0,
    least=0,
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Review:
    """A pair under review.

    Attributes:
        set: Its data set.
        name: Its own.
        table: Its objects, of which the reference knows something.
        scene: The same for the learner.
        asked: For each seed, the objects in the order in which they are asked.
    """

    set: str
    name: str
    table: Table
    scene: Scene
    asked: tuple[Int64[np.ndarray, " answer"], ...]


# Of the objects that are left: AP and F1 as they were, and with answers (F1 of what is likelier
# change than not, and of what promises the largest F1); AP where pixels count instead of objects;
# and of how many pairs.
FIGURES = ("AP", "AP n", "F1", "F1 n", "F1 best n", "pixel AP", "pixel AP n", "pairs")
Means = dict[tuple[str, int | str], Float[np.ndarray, " figure"]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Chance(Queue):
    """The queue of `metriccd view`, drawn anew with every seed.

    Attributes:
        seed: Of all that is drawn.
    """

    seed: int

    @classmethod
    def drawn_with(cls, seed: int, table: Table) -> Chance:
        """The queue of all objects of a table."""
        strength = table.columns("strength")[:, 0]
        stakes = table.pixels / (1 + np.exp(np.clip(strength, -50, 50)))
        return cls(
            ranked=np.argsort(-stakes, kind="stable").astype(np.int64),
            drawn=np.random.default_rng((seed, 0)).permutation(len(stakes)),
            ends=table.pixels.astype(np.float64).cumsum(),
            seed=seed,
        )

    def hits(self) -> Iterator[int]:
        """Objects in which places lie that are drawn in the area of all."""
        rng = np.random.default_rng((self.seed, 1))
        while True:
            places = rng.random(1024) * self.ends[-1]
            yield from np.searchsorted(self.ends, places, side="right").tolist()


def asked(table: Table, seed: int) -> Int64[np.ndarray, " answer"]:
    """The first objects that are asked."""
    queue = Chance.drawn_with(seed, table)
    answered: dict[int, How] = {}
    while len(answered) < max(COUNTS) and (turn := queue.next(answered)) is not None:
        answered[turn.place] = turn.how
    return np.array(list(answered), np.int64)


def priors() -> list[Prior]:
    """What is tried."""
    return [
        Prior(
            slope=(slope, 0.3),
            level=(-1.0, 1.5),
            groups=(look, witness, kind),
            place=place,
            reach=0.1,
            useful=useful,
            least=least,
        )
        for slope, look, witness, kind, place, useful, least in product(
            *((1.0, 2.0), (0.0, 0.7), (0.0, 0.7), (0.0, 0.7)),
            *((0.0, 1.0), (1.0, 0.3), (0, 2)),
        )
        if look or witness or kind or place
    ]


def measure(
    reviews: Sequence[Review], prior: Prior, *, counts: Sequence[int] = COUNTS, wrong: bool = False
) -> Means:
    """Figures of each set after so many answers: means over seeds, then over pairs."""
    found: dict[tuple[str, int | str], dict[str, list[list[float]]]] = {}
    for review in reviews:
        truth = review.table.truth
        for seed, order in enumerate(review.asked):
            for count in (count for count in counts if count <= len(order)):
                some = order[:count]
                rest = np.ones(len(truth), bool)
                rest[some] = False
                if not truth[rest].any() or rest.sum() < 2:
                    continue
                told = truth[some]
                if wrong:
                    told = np.random.default_rng(seed).permutation(told)
                chance = posterior(review.scene, some, told, prior)[rest]
                line = figures(review, chance, rest)
                found.setdefault((review.set, count), {}).setdefault(review.name, []).append(line)
    return {
        key: np.append(
            np.mean([np.mean(lines, axis=0) for lines in pairs.values()], axis=0), len(pairs)
        )
        for key, pairs in found.items()
    }


def ceiling(reviews: Sequence[Review]) -> Means:
    """The same where four fifths of the objects are answered, of pairs with at least `MANY`."""
    found: dict[str, list[Float[np.ndarray, " figure"]]] = {}
    for review in reviews:
        total, seeds = len(review.table.pixels), len(review.asked)
        if total >= MANY:
            orders = tuple(np.random.default_rng(seed).permutation(total) for seed in range(seeds))
            means = measure([replace(review, asked=orders)], OPEN, counts=[total * 4 // 5])
            found.setdefault(review.set, []).extend(means.values())
    return {
        (name, "4 of 5"): np.append(np.mean(lines, axis=0)[:-1], len(lines))
        for name, lines in found.items()
        if lines
    }


def figures(
    review: Review, chance: Float[np.ndarray, " left"], rest: Bool[np.ndarray, " object"]
) -> list[float]:
    """`FIGURES` of the objects that are left, but for the number of pairs."""
    truth, pixels = review.table.truth[rest], review.table.pixels[rest]
    strength, ones = review.scene.strength[rest], np.ones(len(truth))
    return [
        precision(truth, strength, ones),
        precision(truth, chance, ones),
        f1(truth, ones > 0),
        f1(truth, chance > 0.5),
        f1(truth, promising(chance)),
        precision(truth, strength, pixels),
        precision(truth, chance, pixels),
    ]


def precision(
    truth: Bool[np.ndarray, " object"],
    score: Float[np.ndarray, " object"],
    weights: Shaped[np.ndarray, " object"],
) -> float:
    """Average precision; objects of one score are one step."""
    order = np.argsort(-score, kind="stable")
    steps = np.append(np.diff(score[order]) != 0, True)
    found = (truth * weights)[order].cumsum()[steps]
    said = weights[order].cumsum()[steps]
    return float((np.diff(found, prepend=0) * found / said).sum() / found[-1])


def f1(truth: Bool[np.ndarray, " object"], kept: Bool[np.ndarray, " object"]) -> float:
    """Of objects."""
    return float(2 * (truth & kept).sum() / (truth.sum() + kept.sum()))


def promising(chance: Float[np.ndarray, " object"]) -> Bool[np.ndarray, " object"]:
    """The likeliest objects, as many as promise the largest F1."""
    order = np.argsort(-chance, kind="stable")
    hits = chance[order].cumsum()
    best = int(np.argmax(hits / (np.arange(1, len(hits) + 1) + hits[-1])))
    kept = np.zeros(len(chance), bool)
    kept[order[: best + 1]] = True
    return kept


def gains(means: Means, sets: Sequence[str], count: int) -> dict[str, float]:
    """What AP wins in each set."""
    return {
        name: float(means[name, count][1] - means[name, count][0])
        for name in sets
        if (name, count) in means
    }


def worth(means: Means, sets: Sequence[str]) -> float:
    """Mean gain at 10 answers, less what the worst set loses beyond `LOSS` after any number.

    Sets of fewer than `FEW` pairs do not choose: of DSIFN one pair has objects left after 10
    answers, four of them.
    """
    won = {
        count: [
            gain
            for name, gain in gains(means, sets, count).items()
            if means[name, count][-1] >= FEW
        ]
        for count in COUNTS
    }
    worst = min(min(each, default=0.0) for each in won.values())
    return float(np.mean(won[10]) - WEIGHT * max(-worst - LOSS, 0.0))


def holds(means: Means, sets: Sequence[str]) -> bool:
    """Whether it may ship."""
    worst = min(min(gains(means, sets, count).values(), default=0.0) for count in COUNTS)
    return worst >= -LOSS and np.mean(list(gains(means, sets, 10).values())) >= GAIN


def table_of(pair: Pair) -> Table:
    """The table of a pair."""
    images = opened(pair)
    return object_table(images, detect(pair.t1, pair.t2), *reference_of(pair, images))


def landsat_table(folder: Path, t1: str, t2: str) -> Table:
    """The same of a pair with two masks, six bands and names for none."""
    dates = folder / t1, folder / t2
    images = read_pair(*dates, band_names=LANDSAT_BANDS)
    masks = folder / "change.bmp", folder / "unchanged.bmp"
    truth = read_reference(on_t1(masks, images), images.grid)
    return object_table(images, detect(*dates, band_names=LANDSAT_BANDS), *truth)


def tables(data: Path, out: Path, most: int) -> Iterator[tuple[str, str, Table]]:
    """Set, name and table of each pair; those that are missing are made."""
    todo = [
        (name, pair.name.replace(" ", "_"), lambda pair=pair: table_of(pair))
        for name, (dataset, folder) in SETS.items()
        for pairs in [find_pairs(dataset, data / folder)]
        for pair in pairs[:: -(-len(pairs) // most)]
    ]
    todo += [
        (
            "Landsat",
            name,
            lambda name=name, dates=dates: landsat_table(data / "landsat" / name, *dates),
        )
        for name, dates in LANDSAT.items()
    ]
    for name, pair, make in track(todo, "objects"):
        path = out / "tables" / name / f"{pair}.npz"
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            make().save(path)
        yield name, pair, Table.read(path)


def reviews_of(data: Path, out: Path, *, most: int, seeds: int) -> list[Review]:
    """The pairs with objects to ask."""
    found = []
    for name, pair, whole in tables(data, out, most):
        table = whole.answerable()
        if len(table.pixels) > 1:
            order = tuple(asked(table, seed) for seed in range(seeds))
            found.append(
                Review(set=name, name=pair, table=table, scene=Scene.of(table), asked=order)
            )
    return found


def report(reviews: Sequence[Review]) -> str:
    """All figures, as tables."""
    sets = list(dict.fromkeys(review.set for review in reviews))
    tried = [(prior, measure(reviews, prior)) for prior in track(priors(), "priors")]
    inside = max(tried, key=lambda each: worth(each[1], sets))
    lines = [
        f"{sum(holds(means, sets) for _, means in tried)} of {len(tried)} priors keep the rule "
        "in the sets that chose them.",
        f"Chosen by all sets: {json.dumps(asdict(inside[0]))}",
    ]
    left: Means = {}
    control: Means = {}
    for name in sets:
        others = [each for each in sets if each != name]
        prior, means = max(tried, key=lambda each: worth(each[1], others))
        left |= {key: line for key, line in means.items() if key[0] == name}
        own = [review for review in reviews if review.set == name]
        control |= measure(own, prior, wrong=True)
        lines.append(f"Left out {name}: {json.dumps(asdict(prior))}")
    for title, means in (
        ("constants chosen by the other sets", left),
        ("constants chosen by all sets", inside[1]),
        ("control: answers to the wrong objects", control),
    ):
        lines += ["", f"## {title}", "", *rows(means, sets)]
    lines += ["", "## ceiling: four of five objects answered, drawn by chance", ""]
    lines += rows(ceiling(reviews), sets, counts=["4 of 5"])
    return "\n".join(lines) + "\n"


def rows(means: Means, sets: Sequence[str], counts: Sequence[int | str] = COUNTS) -> list[str]:
    """A table of every set, and the mean of all, for each number of answers."""
    lines = [f"| set | with n answers | {' | '.join(FIGURES)} |", "|---" * (len(FIGURES) + 2) + "|"]
    for count in counts:
        there = [name for name in sets if (name, count) in means]
        values = [means[name, count] for name in there]
        for name, line in zip((*there, "mean"), (*values, np.mean(values, axis=0)), strict=True):
            cells = [*(f"{each:.3f}" for each in line[:-1]), f"{line[-1]:.0f}"]
            lines.append(f"| {name} | {count} | {' | '.join(cells)} |")
    return lines


def main() -> None:
    """Makes tables, tries priors, writes what the other sets would have chosen."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--most", type=int, default=35, help="pairs of a set")
    args = parser.parse_args()
    torch.set_num_threads(1)
    reviews = reviews_of(args.data, args.out, most=args.most, seeds=args.seeds)
    text = report(reviews)
    (args.out / "refine.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
