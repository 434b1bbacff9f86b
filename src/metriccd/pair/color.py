"""Color correction: t1 in the colors of t2, so that light, haze and season weigh less."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Float32

from metriccd.storage import storable

# Directions of the kernel that carry less than this share of its largest singular value are
# dropped: duplicated and constant bands then leave the solution finite and of least norm.
RANK_TOLERANCE = 1e-9
# With more bands than Sentinel-2 has, products of two are left out of the kernel: b bands have
# b (b + 1) / 2 of them, 25,200 of 224 bands.
MANY_BANDS = 13
# Samples wanted for each term of the kernel; below it the images are not down-sampled.
SAMPLES_PER_TERM = 20
# Pixels corrected at once: few enough for the kernel's terms to stay in cache.
CHUNK = 1 << 13

# t1, t2 and valid of a window.
Samples: TypeAlias = tuple[
    Float[np.ndarray, "band row col"],
    Float[np.ndarray, "band row col"],
    Bool[np.ndarray, "row col"],
]


def polynomial_terms(samples: Float[np.ndarray, "band pixel"]) -> Float[np.ndarray, "term pixel"]:
    """The kernel ρ of eq. 1: for three bands 11 terms, else all monomials of degree ≤ 2.

    Args:
        samples: Spectral vectors.

    Returns:
        For (r, g, b): 1, r, g, b, r², rg, rb, g², gb, b², rgb. For b bands: 1, every band,
        every product of two bands, unless they are more than `MANY_BANDS`.
    """
    bands, pixels = samples.shape
    if bands > MANY_BANDS:
        return np.concatenate([np.ones((1, pixels), samples.dtype), samples])
    products = [samples[i] * samples[j] for i, j in combinations_with_replacement(range(bands), 2)]
    terms = [np.ones(pixels, samples.dtype), *samples, *products]
    if bands == 3:
        terms.append(samples.prod(axis=0))
    return np.stack(terms)


@storable
@dataclass(frozen=True, kw_only=True)
class ColorMap:
    """A fitted color correction, t1 → colors of t2 (eq. 2).

    Attributes:
        matrix: M of eq. 1, on bands scaled to zero mean and unit standard deviation.
        center: Mean of each band of t1.
        scale: Standard deviation of each band of t1; 1 for a constant band.
    """

    matrix: Float[np.ndarray, "term band"]
    center: Float[np.ndarray, " band"]
    scale: Float[np.ndarray, " band"]

    def __call__(
        self, image: Float[np.ndarray, "band row col"]
    ) -> Float[np.ndarray, "band row col"]:
        """Applies the correction to t1 or a window of it; float32."""
        pixels = image.reshape(len(self.center), -1)
        corrected = np.empty(pixels.shape, np.float32)
        matrix = self.matrix.T.astype(np.float32)
        center, scale = (
            each.astype(np.float32)[:, np.newaxis] for each in (self.center, self.scale)
        )
        for start in range(0, pixels.shape[1], CHUNK):
            part = slice(start, start + CHUNK)
            standardized = (pixels[:, part].astype(np.float32, copy=False) - center) / scale
            corrected[:, part] = matrix @ polynomial_terms(standardized)
        return corrected.reshape(image.shape)


def fit_color_map(
    t1: Float[np.ndarray, "band pixel"],
    t2: Float[np.ndarray, "band pixel"],
    weights: Float[np.ndarray, " pixel"] | None = None,
) -> ColorMap:
    """Least squares of eq. 1, M = (ρᵀρ)⁻¹ρᵀi₂, safe where ρ is rank-deficient.

    Args:
        t1: Samples of the first image.
        t2: The same pixels of the second image.
        weights: Weight of each sample, equal by default.
    """
    samples = t1.astype(np.float64)
    center, spread = samples.mean(axis=1), samples.std(axis=1)
    scale = np.where(spread > 0, spread, 1.0)
    terms = polynomial_terms((samples - center[:, None]) / scale[:, None])
    root = np.ones(t1.shape[1]) if weights is None else np.sqrt(weights)
    matrix, *_ = np.linalg.lstsq(
        (terms * root).T, (t2.astype(np.float64) * root).T, rcond=RANK_TOLERANCE
    )
    return ColorMap(matrix=matrix, center=center, scale=scale)


@storable
@dataclass(frozen=True, kw_only=True)
class BandRange:
    """Both dates brought to [0, 1] band by band, by one range for both.

    Networks expect values of that range whatever the sensor's unit. It ends at percentiles, so that
    a few hot pixels do not compress the rest.

    Attributes:
        offset: Of each band.
        gain: Of each band: (image − offset) · gain lies in [0, 1] but for the tails, which are
            cut.
    """

    offset: Float32[np.ndarray, "band 1 1"]
    gain: Float32[np.ndarray, "band 1 1"]

    @classmethod
    def fit(
        cls, pixels: Sequence[Float[np.ndarray, "band _pixel"]], *, percent: float = 0.1
    ) -> BandRange:
        """From valid pixels of both dates: their percentiles `percent` and 100 − `percent`."""
        low, high = np.percentile(np.concatenate(pixels, axis=1), [percent, 100 - percent], axis=1)
        span = high - low
        return cls(
            offset=low.astype(np.float32)[:, None, None],
            gain=(1.0 / np.where(span > 0, span, 1.0)).astype(np.float32)[:, None, None],
        )

    def __call__(
        self, image: Float[np.ndarray, "band row col"], valid: Bool[np.ndarray, "row col"]
    ) -> Float32[np.ndarray, "band row col"]:
        """A window of one date; 0 where not valid."""
        ranged: Float32[np.ndarray, "band row col"] = (image - self.offset) * self.gain
        np.clip(ranged, 0, 1, out=ranged)
        ranged[:, ~valid] = 0
        return ranged.astype(np.float32, copy=False)


@storable
@dataclass(frozen=True, kw_only=True)
class UnitRange:
    """Both dates in the colors of t2, brought to [0, 1] band by band.

    Attributes:
        colors: t1 → colors of t2.
        bands: Brings both to [0, 1].
    """

    colors: ColorMap
    bands: BandRange

    @classmethod
    def fit(cls, parts: Sequence[Samples], *, factor: int = 4) -> UnitRange:
        """From parts (t1, t2, valid) that stand for a scene.

        Args:
            parts: Images (band, row, col) and their valid pixels.
            factor: β of the color correction.
        """
        colors = fit_color_map(*_color_samples(parts, factor=factor))
        pixels = [image[:, valid] for t1, t2, valid in parts for image in (colors(t1), t2)]
        return cls(colors=colors, bands=BandRange.fit(pixels))

    def __call__(
        self,
        t1: Float[np.ndarray, "band row col"],
        t2: Float[np.ndarray, "band row col"],
        valid: Bool[np.ndarray, "row col"],
    ) -> tuple[Float32[np.ndarray, "band row col"], Float32[np.ndarray, "band row col"]]:
        """Both dates of a window; 0 where not valid."""
        return self.bands(self.colors(t1), valid), self.bands(t2, valid)


def polynomial_correction(
    t1: Float[np.ndarray, "band row col"],
    t2: Float[np.ndarray, "band row col"],
    valid: Bool[np.ndarray, "row col"],
    *,
    factor: int = 4,
) -> Float[np.ndarray, "band row col"]:
    """Polynomial color correction (PCC) of t1 to t2, eq. 1–2.

    Args:
        t1: First image.
        t2: Second image.
        valid: Pixels to fit on.
        factor: β, by which both images are down-sampled (block means) before the fit, so that
            colors weigh more than changes. The paper does not print its value.

    Returns:
        t1 in the colors of t2, float32, at every pixel.
    """
    return fit_color_map(*_color_samples([(t1, t2, valid)], factor=factor))(t1)


def _color_samples(
    parts: Sequence[Samples], *, factor: int
) -> tuple[Float[np.ndarray, "band pixel"], Float[np.ndarray, "band pixel"]]:
    """Block means over factor × factor pixels, of blocks that are valid throughout.

    Where these are too few to fit the kernel, the valid pixels themselves.
    """
    whole = [np.asarray(_blocks(valid[None], factor).all(axis=(2, 4)))[0] for _, _, valid in parts]
    terms = len(polynomial_terms(np.zeros((len(parts[0][0]), 1))))
    if sum(int(each.sum()) for each in whole) < SAMPLES_PER_TERM * terms:
        one, other = (
            np.concatenate([part[date][:, part[2]] for part in parts], axis=1) for date in range(2)
        )
        return one, other
    one, other = (
        np.concatenate(
            [
                _blocks(part[date], factor).mean(axis=(2, 4), dtype=np.float64)[:, inside]
                for part, inside in zip(parts, whole, strict=True)
            ],
            axis=1,
        )
        for date in range(2)
    )
    return one, other


def _blocks(image: np.ndarray, factor: int) -> np.ndarray:
    """View of an image as (band, block row, row, block col, col); an incomplete edge is cut."""
    bands, height, width = image.shape
    rows, cols = height // factor, width // factor
    cut = image[:, : rows * factor, : cols * factor]
    return cut.reshape(bands, rows, factor, cols, factor)


def between_extremes(
    image: Float[np.ndarray, "band row col"], valid: Bool[np.ndarray, "row col"]
) -> Float[np.ndarray, "band row col"]:
    """An image scaled by its own smallest and largest valid value over all bands to [0, 1]."""
    inside = image[:, valid]
    low, high = inside.min(), inside.max()
    scaled: Float[np.ndarray, "band row col"] = (image - low) / (high - low if high > low else 1)
    return scaled
