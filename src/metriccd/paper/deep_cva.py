"""Deep change vector analysis: the length of the difference of selected feature channels."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, product

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Float64, Int64
from torch import Tensor, nn
from torch.nn import functional

from metriccd.errors import DataError
from metriccd.raster import Window
from metriccd.scene import Tile, map_tiles, tiles
from metriccd.stages import Advance, Stages

TILE = 256
# Windows start, and are padded to end, at multiples of this: strides up to 16 leave no seam.
# Also the context of an extractor that does not tell its own.
HALO = 16
# Pixels, evenly spread over the valid ones, whose quantile limits each channel.
SAMPLE = 2**16
# Of a channel's root mean square: a standard deviation below is rounding.
FLAT = 1e-5

# Feature maps of both dates in a window, level by level, at full resolution; only the channels
# given, if any are.
Extract = Callable[[Window, Sequence[Int64[np.ndarray, " _"]] | None], list[Tensor]]


def deep_cva(
    t1: Float[np.ndarray, "band row col"],
    t2: Float[np.ndarray, "band row col"],
    valid: Bool[np.ndarray, "row col"],
    *,
    rgb: tuple[int, int, int],
    extractor: nn.Module,
    share: float = 0.1,
    clamp: float = 0.95,
    device: str = "cpu",
    stages: Stages | None = None,
) -> Float32[np.ndarray, "row col"]:
    """Deep change vector analysis, DCVA (Saha, Bovolo & Bruzzone 2019).

    1. Each band of each date is scaled by its own minimum and 99th percentile, clipped at 1. There
       is no other color correction, as published: the result does not depend on a gain or an
       offset of either date.
    2. Features of both dates, at every level of the extractor, enlarged (bilinear) to the images.
    3. In each quadrant of the scene, the channels of every level whose difference between the
       dates has the largest standard deviation; their union over the quadrants is kept.
    4. Each kept channel of each date to mean 0 and standard deviation 1 over the scene; G is the
       absolute difference between the dates, limited in each channel to its own quantile.
    5. |G|, the Euclidean norm over channels.

    Features are not clipped to [−1, 1] as in the authors' code, whose network normalizes them; that
    range means nothing to other extractors. They are computed twice, tile by tile: for the
    statistics, then for the result, so memory does not grow with the number of channels. The
    quantile is that of at most `SAMPLE` evenly spaced valid pixels.

    Args:
        t1: First image, any unit.
        t2: Second image.
        valid: Pixels that count.
        rgb: Bands that the extractor sees.
        extractor: (batch, 3, row, col) in [0, 1] → feature maps, one a level. It may have the
            attributes `halo` and `stride`, as `Vgg16` has.
        share: Of the channels of a level that each quadrant selects.
        clamp: Quantile at which a channel's difference is limited.
        device: Where to compute features.
        stages: Records time and reports progress.

    Returns:
        Distance ≥ 0, larger = more change; 0 where not valid.

    Raises:
        DataError: No pixel is valid.
        ValueError: `share` or `clamp` is not above 0 and at most 1.
    """
    for name, value in (("share", share), ("clamp", clamp)):
        if not 0 < value <= 1:
            raise ValueError(f"{name} must lie above 0 and up to 1, got {value}: give a share")
    if not valid.any():
        raise DataError("a pair needs at least one valid pixel, got none: check nodata and masks")
    dates = np.stack([_own_range(image[list(rgb)], valid) for image in (t1, t2)])
    extract, halo = _extraction(dates, extractor, device), _context(extractor)
    count = math.prod(-(-side // TILE) for side in valid.shape)
    with torch.inference_mode(), (stages or Stages()).stage("features", 2 * count) as advance:
        selection = _survey(extract, valid, halo, advance).choose(share, clamp)
        (image,) = map_tiles(
            _measure(extract, selection, device),
            valid.shape,
            channels=1,
            size=TILE,
            halo=halo,
            advance=advance,
        )
    return np.where(valid, image, np.float32(0))


@dataclass(frozen=True, kw_only=True)
class _Spread:
    """Mean and scatter Σ(x − mean)² of every channel at t1, at t2, and of t2 − t1."""

    pixels: int
    mean: Float64[np.ndarray, "3 channel"]
    scatter: Float64[np.ndarray, "3 channel"]

    @classmethod
    def of(cls, features: Float[Tensor, "2 channel pixel"]) -> _Spread:
        pixels = features.shape[2]
        moments = [
            torch.var_mean(values, dim=1, correction=0)
            for values in (features[0], features[1], features[1] - features[0])
        ]
        variance, mean = (
            torch.stack(rows).cpu().numpy().astype(np.float64)
            for rows in zip(*moments, strict=True)
        )
        return cls(pixels=pixels, mean=mean, scatter=variance * pixels)

    def __add__(self, other: _Spread) -> _Spread:
        pixels = self.pixels + other.pixels
        step = other.mean - self.mean
        return _Spread(
            pixels=pixels,
            mean=self.mean + step * (other.pixels / pixels),
            scatter=self.scatter + other.scatter + step**2 * (self.pixels * other.pixels / pixels),
        )

    @property
    def deviation(self) -> Float64[np.ndarray, "3 channel"]:
        deviation: Float64[np.ndarray, "3 channel"] = np.sqrt(self.scatter / self.pixels)
        return deviation


@dataclass(frozen=True, kw_only=True)
class _Chosen:
    """Channels that are kept, how to standardize them, and where to stop.

    Attributes:
        levels: Their numbers within each level.
        mean: Of each date.
        scale: One over the standard deviation, of each date; 0 where there is none.
        limit: Of the absolute difference of the standardized channels.
    """

    levels: list[Int64[np.ndarray, " _"]]
    mean: Float64[np.ndarray, "2 kept"]
    scale: Float64[np.ndarray, "2 kept"]
    limit: Float64[np.ndarray, " kept"]


@dataclass(frozen=True, kw_only=True)
class _Survey:
    """Statistics of all channels.

    Attributes:
        sizes: Number of channels of each level.
        quadrants: Of the quadrants that hold valid pixels.
        sample: Channels of both dates at the sampled pixels.
    """

    sizes: list[int]
    quadrants: list[_Spread]
    sample: Float32[np.ndarray, "2 channel pixel"]

    def choose(self, share: float, clamp: float) -> _Chosen:
        starts = list(accumulate(self.sizes, initial=0))
        levels = [
            np.unique(np.concatenate([self._widest(q, start, size, share) for q in self.quadrants]))
            for start, size in zip(starts, self.sizes, strict=False)
        ]
        channels = np.concatenate(
            [start + level for start, level in zip(starts, levels, strict=False)]
        )
        spread = sum(self.quadrants[1:], start=self.quadrants[0])
        mean, deviation = spread.mean[:2, channels], spread.deviation[:2, channels]
        varies = deviation > FLAT * np.hypot(mean, deviation)
        scale = np.where(varies, 1 / np.where(varies, deviation, 1), 0)
        t1, t2 = (self.sample[:, channels] - mean[..., None]) * scale[..., None]
        limit = np.quantile(np.abs(t2 - t1), clamp, axis=1)
        return _Chosen(levels=levels, mean=mean, scale=scale, limit=limit)

    def _widest(
        self, quadrant: _Spread, start: int, size: int, share: float
    ) -> Int64[np.ndarray, " _"]:
        """Numbers of the level's channels with the largest deviation of the difference."""
        count = math.ceil(round(share * size, 6))
        deviation = quadrant.deviation[2, start : start + size]
        return np.argsort(-deviation, kind="stable")[:count]


def _own_range(
    image: Float[np.ndarray, "3 row col"], valid: Bool[np.ndarray, "row col"]
) -> Float32[np.ndarray, "3 row col"]:
    """Each band from its minimum and 99th percentile to 0 and 1, clipped; 0 where not valid."""
    scaled = np.zeros(image.shape, np.float32)
    for band, out in zip(image, scaled, strict=True):
        values = band[valid]
        low, high = values.min(), np.percentile(values, 99)
        out[valid] = np.clip((values - low) / (high - low if high > low else 1), 0, 1)
    return scaled


def _context(extractor: nn.Module) -> int:
    """Pixels of context that features and their enlargement need."""
    halo = getattr(extractor, "halo", None)
    reach = HALO if halo is None else halo + getattr(extractor, "stride", 1)
    return -(-reach // HALO) * HALO


def _extraction(
    dates: Float32[np.ndarray, "2 3 row col"], extractor: nn.Module, device: str
) -> Extract:
    network = extractor.to(device).eval()

    def extract(
        window: Window, channels: Sequence[Int64[np.ndarray, " _"]] | None = None
    ) -> list[Tensor]:
        part = torch.from_numpy(dates[..., *window.slices].copy()).to(device)
        height, width = window.height, window.width
        padded = functional.pad(part, (0, -width % HALO, 0, -height % HALO), mode="replicate")
        maps = list(network(padded))
        if channels is not None:
            maps = [
                level[:, torch.from_numpy(numbers).to(device)]
                for level, numbers in zip(maps, channels, strict=True)
            ]
        return [_enlarge(level, padded.shape[2:])[..., :height, :width] for level in maps]

    return extract


def _enlarge(
    features: Float[Tensor, "2 channel row col"], size: torch.Size
) -> Float[Tensor, "2 channel _row _col"]:
    if features.shape[2:] == size:
        return features
    return functional.interpolate(features, size=size, mode="bilinear")


def _survey(
    extract: Extract, valid: Bool[np.ndarray, "row col"], halo: int, advance: Advance
) -> _Survey:
    sample_mask = _evenly(valid, SAMPLE)
    spreads: dict[tuple[int, int], _Spread] = {}
    sample: list[Float32[np.ndarray, "2 channel pixel"]] = []
    for tile in tiles(valid.shape, size=TILE, halo=halo):
        maps = extract(tile.padded, None)
        features = torch.cat(maps, dim=1)[..., *tile.inner]
        for quadrant, part in _quadrants(tile, valid.shape):
            usable = valid[tile.core.slices][part]
            if usable.any():
                spread = _Spread.of(features[..., *part][..., torch.from_numpy(usable)])
                spreads[quadrant] = spreads[quadrant] + spread if quadrant in spreads else spread
        sample.append(features[..., torch.from_numpy(sample_mask[tile.core.slices])].cpu().numpy())
        advance(1)
    return _Survey(
        sizes=[level.shape[1] for level in maps],
        quadrants=list(spreads.values()),
        sample=np.concatenate(sample, axis=2),
    )


def _evenly(valid: Bool[np.ndarray, "row col"], count: int) -> Bool[np.ndarray, "row col"]:
    """At most `count` of the valid pixels: every nth of them, row by row."""
    selected = np.zeros(valid.size, bool)
    indices = np.flatnonzero(valid)
    selected[indices[:: max(1, -(-indices.size // count))]] = True
    return selected.reshape(valid.shape)


def _quadrants(
    tile: Tile, shape: tuple[int, int]
) -> Iterator[tuple[tuple[int, int], tuple[slice, slice]]]:
    """Quadrants of the scene that meet a tile's core, and which part of the core each one is."""
    halves = []
    starts, lengths = (tile.core.row, tile.core.col), (tile.core.height, tile.core.width)
    for start, length, side in zip(starts, lengths, shape, strict=True):
        middle = min(max(side // 2 - start, 0), length)
        halves.append([(0, slice(0, middle)), (1, slice(middle, length))])
    for (vertical, rows), (horizontal, cols) in product(*halves):
        if rows.stop > rows.start and cols.stop > cols.start:
            yield (vertical, horizontal), (rows, cols)


def _measure(
    extract: Extract, selection: _Chosen, device: str
) -> Callable[[Window], Float32[np.ndarray, "1 _row _col"]]:
    mean, scale = (
        torch.from_numpy(values.astype(np.float32)).to(device)[..., None, None]
        for values in (selection.mean, selection.scale)
    )
    limit = torch.from_numpy(selection.limit.astype(np.float32)).to(device)[:, None, None]

    def measure(window: Window) -> Float32[np.ndarray, "1 _row _col"]:
        t1, t2 = (torch.cat(extract(window, selection.levels), dim=1) - mean) * scale
        limited = torch.minimum((t2 - t1).abs(), limit)
        length: Float32[np.ndarray, "1 _row _col"]
        length = torch.linalg.vector_norm(limited, dim=0, keepdim=True).cpu().numpy()
        return length

    return measure
