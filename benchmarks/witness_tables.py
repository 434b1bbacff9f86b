"""Tables of witnesses: what the recipe looks at in a pair, kept so that any constants can be tried.

Everything of a pair that does not depend on a constant chosen from data is computed once, at full
resolution, and kept on a sub-lattice of its pixels: each witness smoothed at several scales, as it
is and through the guided filter, which is linear. `benchmarks/leave_one_out.py` builds and reads
them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from metriccd.nets import MetricExtractor, load_extractor
from metriccd.pair import Block
from metriccd.recipe import guidance
from metriccd.recipe.direction import Direction
from metriccd.recipe.fusion import LEVELS, SIGMAS, Look, weight_of
from metriccd.recipe.plain import Plain
from metriccd.recipe.scale import first_look
from metriccd.recipe.smoothing import smooth

# Scales at which witnesses are kept; between them logarithms are interpolated in log scale.
SCALES = (0.7, 1.0, 1.4, 2.0, 2.8)
# Pixels of a sub-lattice, about.
PIXELS = 2**17
# Witnesses of each direction, and of both.
DIRECTED = ("prediction", "second level", "first level")
NAMES = (
    *(f"appeared {name}" for name in DIRECTED),
    *(f"disappeared {name}" for name in DIRECTED),
    "plain",
)
# Directions that are measured.
LOOKS = ("both", "appeared")


@dataclass(frozen=True, kw_only=True)
class Table:
    """The witnesses of a pair on a sub-lattice of its valid pixels.

    Attributes:
        logs: Mean over σ of the logarithms of distances smoothed, by `SCALES` and `NAMES`.
        guided: The same through the guided filter.
        changed: Reference, True = change.
        known: Where the reference says anything.
        surprise: Of what appeared minus that of what disappeared.
        looks: By direction: share of the scene that a first look finds changed, and mean area of
            the object in which a changed pixel lies, in pixels.
        ground: Side of a pixel on the ground in meters; NaN where unknown.
    """

    logs: Float[np.ndarray, "scale witness pixel"]
    guided: Float[np.ndarray, "scale witness pixel"]
    changed: Bool[np.ndarray, " pixel"]
    known: Bool[np.ndarray, " pixel"]
    surprise: float
    looks: Float[np.ndarray, "direction 2"]
    ground: float

    def save(self, path: Path) -> None:
        """Writes it, whole or not at all."""
        partial = path.with_suffix(".partial.npz")
        np.savez(partial, **vars(self))
        partial.replace(path)

    @classmethod
    def read(cls, path: Path) -> Table:
        """Reads one."""
        with np.load(path) as file:
            arrays = {name: file[name] for name in file.files}
        return cls(**{name: each if each.ndim else float(each) for name, each in arrays.items()})

    def at(self, scale: float) -> tuple[Mapping[str, np.ndarray], Mapping[str, np.ndarray]]:
        """Logarithms of every witness at a scale, as they are and guided."""
        position = float(np.interp(np.log(scale), np.log(SCALES), np.arange(len(SCALES))))
        low = min(int(position), len(SCALES) - 2)
        share = np.float32(position - low)
        plain, guided = (
            maps[low].astype(np.float32) * (1 - share) + maps[low + 1].astype(np.float32) * share
            for maps in (self.logs, self.guided)
        )
        return dict(zip(NAMES, plain, strict=True)), dict(zip(NAMES, guided, strict=True))


def witness_table(
    block: Block,
    changed: Bool[np.ndarray, "row col"],
    known: Bool[np.ndarray, "row col"],
    *,
    rgb: tuple[int, int, int],
    ground: float | None,
    seed: int,
) -> Table:
    """The table of a pair whose witnesses are made as `metriccd.recipe` makes them."""
    extractor = load_extractor("embedded")
    assert isinstance(extractor, MetricExtractor)
    network: nn.Module = extractor.folded(extractor.levels[:LEVELS]).eval()
    swapped = Block(block.t2, block.t1, block.valid)
    with torch.inference_mode():
        _, (guides,), (plain,) = Plain.fit([block], rgb=rgb, network=network, device="cpu")
        found = [
            Direction.fit(
                [dates], rgb=rgb, network=network, color_factor=4, seed=seed, device="cpu"
            )
            for dates in (block, swapped)
        ]
        stack = torch.stack([*(m[n] for _, (m,) in found for n in DIRECTED), plain])
        step = max(round((block.valid.size / PIXELS) ** 0.5), 1)
        kept = np.zeros_like(block.valid)
        kept[::step, ::step] = block.valid[::step, ::step]
        inside = torch.from_numpy(kept)
        logs, guided = [], []
        for scale in SCALES:
            smoothed = _smoothed(stack, guides.valid, scale)
            through = torch.stack(
                [guidance.guided(m, *guides, sigma=scale * guidance.SIGMA) for m in smoothed]
            )
            logs.append(smoothed[:, inside].numpy().astype(np.float16))
            guided.append(through[:, inside].numpy().astype(np.float16))
    (appeared, ones), (disappeared, others) = found
    look = Look(ones[0], others[0], plain, guides)
    with torch.inference_mode():
        first = look.logs(1.0)
        weights = {"both": weight_of([look], [first], appeared, disappeared), "appeared": 1.0}
        firsts = [look.layers(first, 1.0, weights[name])[0] for name in LOOKS]
    looks = np.array([first_look([first], [block.valid]) for first in firsts])
    return Table(
        logs=np.stack(logs),
        guided=np.stack(guided),
        changed=changed[kept],
        known=known[kept],
        surprise=appeared.surprise - disappeared.surprise,
        looks=looks,
        ground=float("nan") if ground is None else ground,
    )


def _smoothed(
    stack: Float[Tensor, "witness row col"], valid: Bool[Tensor, "row col"], scale: float
) -> Float[Tensor, "witness row col"]:
    """As `Look` smooths them."""
    logs = torch.zeros_like(stack)
    for sigma in SIGMAS:
        logs += smooth(stack, valid, scale * sigma).clamp_(min=1e-9).log_()
    return logs / len(SIGMAS)
