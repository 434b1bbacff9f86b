"""Tables of objects: what is known of each change object of a pair, and whether it is change.

The objects are those that `detect` finds, as it ships. What a learner could look at is measured
once, as means over the pixels of an object: the recipe's witnesses, both dates, kinds,
surroundings. The reference tells what a reviewer who is always right would answer.
`benchmarks/refine.py` builds and reads them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64, Integer, Shaped
from scipy import ndimage

from metriccd.kinds import KINDS
from metriccd.nets import MetricExtractor, load_extractor
from metriccd.pair import Block, ImagePair, three
from metriccd.recipe.direction import Direction
from metriccd.recipe.fusion import LEVELS, SIGMAS
from metriccd.recipe.plain import Plain
from metriccd.recipe.smoothing import smooth
from metriccd.result import Change

DIRECTED = ("prediction", "second level", "first level")
# Pixels around an object that are its surroundings; standard deviation of its neighborhood.
RING, NEAR = 4, 16.0
# Standard deviation below which brightness is texture.
FINE = 2.0

Means = Callable[[Shaped[np.ndarray, "row col"]], Float[np.ndarray, " object"]]


@dataclass(frozen=True, kw_only=True)
class Table:
    """The objects of a pair, in the order of `change.gpkg`, the largest first.

    Attributes:
        known: Pixels of which the reference tells anything.
        changed: Those of them that it calls change.
        pixels: Pixels of each.
        names: Of the features.
        features: Of each object.
    """

    known: Int64[np.ndarray, " object"]
    changed: Int64[np.ndarray, " object"]
    pixels: Int64[np.ndarray, " object"]
    names: Shaped[np.ndarray, " feature"]
    features: Float[np.ndarray, "object feature"]

    def save(self, path: Path) -> None:
        """Writes it, whole or not at all."""
        partial = path.with_suffix(".partial.npz")
        np.savez(partial, **vars(self))
        partial.replace(path)

    @classmethod
    def read(cls, path: Path) -> Table:
        """Reads one."""
        with np.load(path) as file:
            return cls(**{name: file[name] for name in file.files})

    def answerable(self) -> Table:
        """The objects of which the reference tells anything."""
        kept = self.known > 0
        return Table(
            known=self.known[kept],
            changed=self.changed[kept],
            pixels=self.pixels[kept],
            names=self.names,
            features=self.features[kept],
        )

    @property
    def truth(self) -> Bool[np.ndarray, " object"]:
        """What a reviewer who is always right answers: most of what is known of it is change."""
        return self.changed > self.known / 2

    def columns(self, *starts: str) -> Float[np.ndarray, "object feature"]:
        """The features whose names begin so."""
        chosen = [number for number, name in enumerate(self.names) if name.startswith(starts)]
        return self.features[:, chosen]


def object_table(
    images: ImagePair,
    change: Change,
    changed: Bool[np.ndarray, "row col"],
    known: Bool[np.ndarray, "row col"],
) -> Table:
    """The table of a pair."""
    block = images.load()
    rgb = three(images.rgb, len(block.t1))
    labels, count = ndimage.label(change.map, output=np.int32)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    order = np.argsort(-sizes, kind="stable")
    polygons = change.polygons()
    if not np.array_equal(polygons["pixels"], sizes[order]):
        raise ValueError(f"objects must be those of the polygons: {images.t1.label}")
    inside = labels > 0
    where = labels[inside] - 1

    def sums(layer: Shaped[np.ndarray, "row col"]) -> Float[np.ndarray, " object"]:
        total = np.bincount(where, weights=layer[inside].astype(np.float64), minlength=count)
        return np.asarray(total[order], np.float64)

    def means(layer: Shaped[np.ndarray, "row col"]) -> Float[np.ndarray, " object"]:
        return sums(layer) / sizes[order]

    columns = {"strength": polygons["strength"].to_numpy(np.float64)}
    columns["log pixels"] = np.log(sizes[order])
    columns |= {f"witness {name}": means(layer) for name, layer in _witnesses(block, rgb)}
    columns |= {
        f"kind {name}": means(change.potential == kind.value) for name, kind in KINDS.items()
    }
    columns |= _looks(block, rgb, means)
    columns |= _around(change, labels, order)
    return Table(
        known=np.rint(sums(known)).astype(np.int64),
        changed=np.rint(sums(changed & known)).astype(np.int64),
        pixels=sizes[order].astype(np.int64),
        names=np.array(list(columns)),
        features=np.stack(list(columns.values()), axis=1),
    )


def _witnesses(
    block: Block, rgb: tuple[int, int, int]
) -> list[tuple[str, Float[np.ndarray, "row col"]]]:
    """Logarithms of the witnesses, smoothed as `metriccd.recipe` smooths them at scale 1."""
    extractor = load_extractor("embedded")
    assert isinstance(extractor, MetricExtractor)
    network = extractor.folded(extractor.levels[:LEVELS]).eval()
    swapped = Block(block.t2, block.t1, block.valid)
    with torch.inference_mode():
        _, (guides,), (plain,) = Plain.fit([block], rgb=rgb, network=network, device="cpu")
        maps = {"plain": plain}
        for way, dates in (("appeared", block), ("disappeared", swapped)):
            _, (evidence,) = Direction.fit(
                [dates], rgb=rgb, network=network, color_factor=4, seed=0, device="cpu"
            )
            maps |= {f"{way} {name}": evidence[name] for name in DIRECTED}
        stack = torch.stack(list(maps.values()))
        logs = torch.zeros_like(stack)
        for sigma in SIGMAS:
            logs += smooth(stack, guides.valid, sigma).clamp_(min=1e-9).log_()
    return list(zip(maps, (logs / len(SIGMAS)).numpy(), strict=True))


def _looks(block: Block, rgb: tuple[int, int, int], means: Means) -> dict[str, np.ndarray]:
    """Color, brightness and texture at both dates."""
    columns = {}
    for name, image in zip(("t1", "t2"), (block.t1, block.t2), strict=True):
        red, green, blue = (image[band].astype(np.float64) for band in rgb)
        total = np.maximum(np.abs(red) + np.abs(green) + np.abs(blue), 1e-9)
        columns[f"look greenness {name}"] = means((2 * green - red - blue) / total * block.valid)
        columns[f"look redness {name}"] = means((red - blue) / total * block.valid)
        light = _standardized(image, block.valid).mean(axis=0)
        columns[f"look brightness {name}"] = means(light)
        fine = light - ndimage.gaussian_filter(light, FINE)
        columns[f"look texture {name}"] = np.log(np.sqrt(means(np.square(fine))) + 1e-3)
        square = means(np.square(light)) - np.square(means(light))
        columns[f"look spread {name}"] = np.sqrt(np.maximum(square, 0))
    return columns


def _standardized(
    image: Float[np.ndarray, "band row col"], valid: Bool[np.ndarray, "row col"]
) -> Float[np.ndarray, "band row col"]:
    """Each band with mean 0 and deviation 1 over the scene; 0 outside."""
    inside = image[:, valid].astype(np.float64)
    center, spread = inside.mean(axis=1), np.maximum(inside.std(axis=1), 1e-9)
    found: Float[np.ndarray, "band row col"] = (
        (image - center[:, None, None]) / spread[:, None, None] * valid
    )
    return found


def _around(
    change: Change,
    labels: Integer[np.ndarray, "row col"],
    order: Int64[np.ndarray, " object"],
) -> dict[str, np.ndarray]:
    """Change in the neighborhood, the score just outside of each object, and where it is."""
    score = np.nan_to_num(change.score)
    near = ndimage.gaussian_filter(change.map.astype(np.float64), NEAR)
    found = []
    for number, (rows, cols) in enumerate(ndimage.find_objects(labels), start=1):
        window = tuple(slice(max(side.start - RING, 0), side.stop + RING) for side in (rows, cols))
        own = labels[window] == number
        ring = ndimage.binary_dilation(own, iterations=RING) & (labels[window] == 0)
        ring &= change.valid[window]
        outside = score[window][ring if ring.any() else own].mean()
        row, col = (side.mean() for side in np.nonzero(own))
        found.append(
            (near[window][own].mean(), outside, row + window[0].start, col + window[1].start)
        )
    values = np.array(found, np.float64).reshape(-1, 4)[order]
    names = ("around change", "around score", "place row", "place col")
    return dict(zip(names, values.T, strict=True))
