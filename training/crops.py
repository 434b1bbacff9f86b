"""Random crops of pairs with pseudo-labels: what an extractor is taught with, a batch at a time.

All of a batch is drawn, turned and sampled at once. Random numbers come from the CPU, so that
every device sees the same crops.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from metriccd.nets import jitter

UNKNOWN = -1.0
# Standard deviation, in pixels, of the shift between two crops of one date: no change either. And
# of its uneven light: thin cloud, slope, shadow; on a grid of 4 × 4.
SHIFT, LIGHT, COARSE = 0.4, 0.2, 4


class Lesson(NamedTuple):
    """A pair to learn from; or a batch of crops of such pairs, with one more axis in front.

    Attributes:
        t1: First image, RGB, standardized.
        t2: Second image.
        target: 1 on change, 0 on no change, `UNKNOWN` elsewhere.
    """

    t1: Float[Tensor, "*batch 3 row col"]
    t2: Float[Tensor, "*batch 3 row col"]
    target: Float[Tensor, "*batch row col"]


class Crops:
    """Random crops of random pairs.

    Args:
        lessons: Pairs with pseudo-labels, of at least 16 pixels a side.
        side: Of a crop, in pixels.
        zoom: Smallest and largest side of the ground under a crop, over `side`.
        same: Share of crops that pair a date with itself.
        random: Where everything is drawn from.
        device: Where crops are wanted.
    """

    def __init__(
        self,
        lessons: Sequence[Lesson],
        *,
        side: int,
        zoom: tuple[float, float],
        same: float,
        random: torch.Generator,
        device: str = "cpu",
    ) -> None:
        self.asked = device
        # Before torch 2.13 MPS cannot repeat an image's border.
        self.device = device if device.startswith("cuda") else "cpu"
        self.dates = [date.to(self.device) for lesson in lessons for date in lesson[:2]]
        self.targets = [lesson.target[None].to(self.device) for lesson in lessons]
        self.side, self.zoom, self.same, self.random = side, zoom, same, random
        self.shapes = torch.tensor([lesson.target.shape for lesson in lessons])
        # A pair is drawn as often as its side is long: large ones do not drown small ones.
        self.weights = self.shapes.prod(dim=1).sqrt()

    def draw(self, batch: int) -> Lesson:
        """A number of crops."""
        pairs = torch.multinomial(self.weights, batch, replacement=True, generator=self.random)
        grid = self._grid(self.shapes[pairs])
        same, second = self._uniform(batch) < self.same, self._uniform(batch) < 0.5
        shift = 2 * SHIFT * torch.randn(batch, 2, generator=self.random) / self.shapes[pairs]
        shifted = grid + torch.where(same[:, None], shift, 0).flip(1)[:, None, None].to(self.device)
        # Two dates, or one of them twice.
        dates = torch.cat([same & second, ~same | second])
        indices = 2 * pairs.repeat(2) + dates
        images = _sampled(self.dates, indices, torch.cat([grid, shifted]))
        images[batch:] *= self._light(same)
        images = jitter(images, self.random)
        target = _sampled(self.targets, pairs, grid, mode="nearest")[:, 0]
        target[same.to(self.device)] = 0
        lesson = (images[:batch], images[batch:], target)
        return Lesson(*(tensor.to(self.asked) for tensor in lesson))

    def _grid(self, shapes: Int[Tensor, "batch 2"]) -> Float[Tensor, "batch row col 2"]:
        """Positions of crops in their images, turned and mirrored at random.

        As `grid_sample` counts them: columns before rows, −1 to 1 over the image.
        """
        batch, (smallest, largest) = len(shapes), self.zoom
        zoom = smallest * (largest / smallest) ** self._uniform(batch)
        half = (zoom[:, None] * self.side / shapes).clamp(max=1)
        center = (2 * self._uniform(batch, 2) - 1) * (1 - half)
        mirrored = torch.where(self._uniform(batch, 2) < 0.5, -half, half)
        steps = 2 * (torch.arange(self.side) + 0.5) / self.side - 1
        rows, cols = (center[..., None] + mirrored[..., None] * steps).to(self.device).unbind(1)
        transposed = (self._uniform(batch) < 0.5).to(self.device)[:, None, None, None]
        x = cols[:, None, :].expand(-1, self.side, -1)
        y = rows[:, :, None].expand(-1, -1, self.side)
        grid = torch.stack([x, y], dim=-1)
        return torch.where(transposed, grid.transpose(1, 2), grid)

    def _light(self, uneven: Bool[Tensor, " batch"]) -> Float[Tensor, "batch 1 row col"]:
        """Factors of brightness, 1 where light is even."""
        coarse = LIGHT * torch.randn(len(uneven), 1, COARSE, COARSE, generator=self.random)
        light = 1 + torch.where(uneven[:, None, None, None], coarse, 0).to(self.device)
        return functional.interpolate(light, size=(self.side, self.side), mode="bilinear")

    def _uniform(self, *shape: int) -> Float[Tensor, ...]:
        return torch.rand(shape, generator=self.random)


def _sampled(
    images: Sequence[Float[Tensor, "channel _ _"]],
    indices: Int[Tensor, " batch"],
    grid: Float[Tensor, "batch row col 2"],
    mode: str = "bilinear",
) -> Float[Tensor, "batch channel row col"]:
    """Some images at many places, each at all of its own at once; none is copied.

    Args:
        images: Of any sizes.
        indices: Which of them is seen at a place.
        grid: The places.
        mode: Of `grid_sample`.
    """
    crops = grid.new_empty(len(grid), len(images[0]), *grid.shape[1:3])
    for index in set(indices.tolist()):
        places = torch.nonzero(indices == index)[:, 0].to(grid.device)
        crops[places] = functional.grid_sample(
            images[index].expand(len(places), -1, -1, -1),
            grid[places],
            mode=mode,
            padding_mode="border",
            align_corners=False,
        )
    return crops
